"""Claims: the Mamba mixer is the Hugging Face one on shared weights, and starts as the official package's does."""

import math

import pytest
import torch
import torch.nn.functional as F

from probe.config import ModelConfig
from probe.models import ResidualModel
from probe.models.mamba import Mamba

# what transformers warns of in its own modules is not ours to mend
pytestmark = pytest.mark.filterwarnings("ignore:::transformers")

WIDTH, BLOCKS = 32, 3


def ours():
    torch.manual_seed(0)
    model = ResidualModel(ModelConfig(layout=f"M{BLOCKS}", dim=4, width=WIDTH))
    # weights after training are nowhere as even as at the start
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def reference(model):
    """Returns Hugging Face's model with our weights; below the block's number the names agree."""
    transformers = pytest.importorskip("transformers")
    config = transformers.MambaConfig(
        vocab_size=2, hidden_size=WIDTH, num_hidden_layers=BLOCKS, state_size=16, expand=2, conv_kernel=4
    )
    theirs = transformers.MambaModel(config)
    weights = {name.replace("blocks.", "layers."): value for name, value in model.state_dict().items()}
    shared = {name: value for name, value in weights.items() if name.startswith(("layers.", "norm_f."))}
    missing, unexpected = theirs.load_state_dict(shared, strict=False)
    assert missing == ["embeddings.weight"]
    assert not unexpected
    return theirs


@pytest.mark.parametrize("kernel", ["reference", "cpu"])
@pytest.mark.parametrize("time", [1, 3, 40])
def test_outputs_and_gradients_equal_hugging_faces_on_shared_weights(kernel, time):
    """Three blocks and the final norm; within 1e-5 of the largest number of each tensor, float32's rounding."""
    model = ours()
    model.use_kernel(kernel)
    theirs = reference(model)
    stream = torch.randn(2, time, WIDTH, generator=torch.Generator().manual_seed(1))
    weights = torch.randn(2, time, WIDTH, generator=torch.Generator().manual_seed(2))

    entering = stream.clone().requires_grad_()
    left = entering
    for block in model.blocks:
        left = block(left)
    output = model.norm_f(left)
    (weights * output).sum().backward()

    embeds = stream.clone().requires_grad_()
    expected = theirs(inputs_embeds=embeds, use_cache=False).last_hidden_state
    (weights * expected).sum().backward()

    assert close(output, expected)
    assert close(entering.grad, embeds.grad)
    gradients = dict(theirs.named_parameters())
    for name, parameter in model.named_parameters():
        if name.startswith(("blocks.", "norm_f.")):
            assert close(parameter.grad, gradients[name.replace("blocks.", "layers.")].grad), name


def close(found, expected):
    return (found - expected).abs().max() <= 1e-5 * expected.abs().max()


@pytest.fixture
def fresh():
    torch.manual_seed(3)
    return Mamba(width=256, blocks=24)


def test_states_start_with_decay_rates_one_to_sixteen_and_a_skip_of_one(fresh):
    """S4D-real: A = -(1, ..., 16) in every channel, D = 1."""
    expected = torch.arange(1, 17.0).expand(512, 16)
    torch.testing.assert_close(fresh.A_log.exp(), expected)
    assert torch.equal(fresh.D, torch.ones(512))


def test_step_sizes_start_log_uniform_between_a_thousandth_and_a_tenth(fresh):
    """softplus(bias) is log-uniform in [1e-3, 1e-1]: its logarithm's mean and deviation within five standard errors."""
    steps = F.softplus(fresh.dt_proj.bias.detach().double())
    assert steps.min() >= 1e-3 * (1 - 1e-4)
    assert steps.max() <= 1e-1 * (1 + 1e-4)
    place = (steps.log() - math.log(1e-3)) / math.log(100)
    assert abs(place.mean().item() - 0.5) < 5 / (12 * len(place)) ** 0.5
    assert abs(place.std().item() - 12**-0.5) < 5 * 12**-0.5 / len(place) ** 0.5


@pytest.mark.parametrize(("drawn", "step"), [(0.0, 1e-3), (0.5, 1e-2), (1.0, 1e-1)])
def test_the_bias_is_the_inverse_softplus_of_the_drawn_step(drawn, step, monkeypatch):
    monkeypatch.setattr(torch, "rand", lambda count: torch.full((count,), drawn))
    found = F.softplus(Mamba(16, 1).dt_proj.bias.detach().double())
    assert found.numpy() == pytest.approx(step, rel=1e-4)


@pytest.mark.parametrize(
    ("name", "bound"),
    [
        ("in_proj", 256**-0.5),
        ("x_proj", 512**-0.5),
        ("dt_proj", 16**-0.5),
        ("conv1d", 4**-0.5),
        ("out_proj", 512**-0.5 / 24**0.5),
    ],
)
def test_weights_start_uniform_up_to_the_recipes_bound(fresh, name, bound):
    """Kaiming with a = sqrt(5), 1 / sqrt(inputs); the output's is divided by sqrt(n_layer), the step's by its rank."""
    weight = getattr(fresh, name).weight.detach()
    assert 0.99 * bound < weight.abs().max() <= bound
    assert weight.std().item() == pytest.approx(bound / 3**0.5, rel=5 / weight.numel() ** 0.5)


def test_the_projections_have_no_bias_but_the_convolution_and_the_step_have(fresh):
    names = {name for name, _ in fresh.named_parameters() if name.endswith("bias")}
    assert names == {"conv1d.bias", "dt_proj.bias"}
    assert {name.split(".")[0] for name, _ in fresh.named_parameters()} == {
        "in_proj", "conv1d", "x_proj", "dt_proj", "A_log", "D", "out_proj",
    }  # fmt: skip


@pytest.mark.parametrize(("width", "rank"), [(16, 1), (40, 3), (256, 16)])
def test_the_steps_rank_is_a_sixteenth_of_the_width_rounded_up(width, rank):
    assert Mamba(width, 1).rank == rank
