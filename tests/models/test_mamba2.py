"""Claims: the Mamba-2 mixer is the Hugging Face one on shared weights, and starts as the official package's does."""

import math

import pytest
import torch
import torch.nn.functional as F

from probe.errors import ProbeError
from probe.models.mamba2 import Mamba2

# what transformers warns of in its own modules is not ours to mend
pytestmark = pytest.mark.filterwarnings("ignore:::transformers")

WIDTH, HEADS, STATES, BLOCKS = 16, 4, 6, 2


def ours():
    """Blocks with norms before them and a final norm, as (block, mixer) pairs: the skeleton of Mamba2Model."""
    torch.manual_seed(0)
    layers = [
        torch.nn.ModuleDict({"norm": torch.nn.RMSNorm(WIDTH, eps=1e-5), "mixer": Mamba2(WIDTH, BLOCKS, HEADS, STATES)})
        for _ in range(BLOCKS)
    ]
    model = torch.nn.ModuleDict({"layers": torch.nn.ModuleList(layers), "norm_f": torch.nn.RMSNorm(WIDTH, eps=1e-5)})
    # weights after training are nowhere as even as at the start
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def run(model, stream):
    for layer in model["layers"]:
        stream = stream + layer["mixer"](layer["norm"](stream))
    return model["norm_f"](stream)


def reference(model):
    """Returns Hugging Face's model with our weights; all names agree."""
    transformers = pytest.importorskip("transformers")
    config = transformers.Mamba2Config(
        vocab_size=2, hidden_size=WIDTH, num_hidden_layers=BLOCKS, state_size=STATES, expand=2, conv_kernel=4,
        num_heads=HEADS, head_dim=2 * WIDTH // HEADS, n_groups=1, chunk_size=8,
    )  # fmt: skip
    theirs = transformers.Mamba2Model(config)
    missing, unexpected = theirs.load_state_dict(model.state_dict(), strict=False)
    assert missing == ["embeddings.weight"]
    assert not unexpected
    return theirs


@pytest.mark.parametrize("time", [1, 3, 60])
def test_outputs_and_gradients_equal_hugging_faces_on_shared_weights(time):
    """Two blocks and the final norm; within 1e-5 of the largest number of each tensor."""
    model = ours()
    theirs = reference(model)
    stream = torch.randn(2, time, WIDTH, generator=torch.Generator().manual_seed(1))
    weights = torch.randn(2, time, WIDTH, generator=torch.Generator().manual_seed(2))

    entering, embeds = stream.clone().requires_grad_(), stream.clone().requires_grad_()
    output = run(model, entering)
    expected = theirs(inputs_embeds=embeds, use_cache=False).last_hidden_state
    (weights * output).sum().backward()
    (weights * expected).sum().backward()

    assert close(output, expected)
    assert close(entering.grad, embeds.grad)
    gradients = dict(theirs.named_parameters())
    for name, parameter in model.named_parameters():
        assert close(parameter.grad, gradients[name].grad), name


def close(found, expected):
    return (found - expected).abs().max() <= 1e-5 * expected.abs().max()


def test_decays_and_steps_start_as_the_official_ones_do():
    """exp(A_log) is uniform in 1..16, softplus(dt_bias) log-uniform in 0.001..0.1, within five standard errors."""
    torch.manual_seed(0)
    mixer = Mamba2(512, 1, heads=1024, states=1)
    rates = (mixer.A_log.detach().exp() - 1) / 15
    place = (F.softplus(mixer.dt_bias.detach().double()).log() - math.log(1e-3)) / math.log(100)
    for uniform in (rates, place):
        assert uniform.min() >= -1e-4
        assert uniform.max() <= 1 + 1e-4
        assert abs(uniform.mean().item() - 0.5) < 5 / (12 * 1024) ** 0.5
    assert torch.equal(mixer.D, torch.ones(1024))
    assert torch.equal(mixer.norm.weight, torch.ones(1024))


@pytest.mark.parametrize("heads", [5, 0, -1, 64])
def test_heads_that_do_not_divide_the_inner_width_are_refused(heads):
    with pytest.raises(ProbeError) as raised:
        Mamba2(16, 1, heads=heads)
    expected = f"Mamba-2's inner width of 32 cannot be split into {heads} heads. Give a number that divides it."
    assert str(raised.value) == expected


def test_a_state_of_nothing_is_refused():
    with pytest.raises(ProbeError) as raised:
        Mamba2(16, 1, states=0)
    assert str(raised.value) == "Mamba-2 was given 0 states a channel, but it needs one or more. Give states=64."


def test_operations_are_counted_part_by_part():
    """Width 16, 4 heads, 6 states, three tokens: two maps, the convolution, 5 operations a number of the state."""
    maps, convolution, state = 16 * (64 + 12 + 4) + 32 * 16, (32 + 12) * 4, 32 * 6
    assert Mamba2(16, 1, heads=4, states=6).flops(3) == 3 * (2 * maps + 2 * convolution + 5 * state)
