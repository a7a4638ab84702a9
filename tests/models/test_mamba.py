"""Claims: the Mamba mixer is the Hugging Face one on shared weights, and starts as the official package's does.

Each ablation switches off what it names and nothing else.
"""

import math
from itertools import product

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


SOURCES, SWITCHES = ("selective", "constant"), ("on", "off")
CONSTANT = {"delta": "constant", "B": "constant", "C": "constant"}


def ablated(**settings):
    """A mixer in float64 with uneven weights, as after training."""
    torch.manual_seed(4)
    mixer = Mamba(WIDTH, BLOCKS, **settings).double()
    with torch.no_grad():
        for parameter in mixer.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return mixer


def by_hand(mixer, hidden, delta, B, C, conv, gate):
    """The mixer's equations one token after another, on its weights."""
    weights = {name: value.detach() for name, value in mixer.named_parameters()}
    x, *z = (hidden @ weights["in_proj.weight"].T).split(2 * WIDTH, dim=-1)
    if conv == "on":
        taps, past = weights["conv1d.weight"].squeeze(1).T, torch.zeros(len(x), 3, 2 * WIDTH)
        padded = torch.cat([past, x], dim=1)
        x = weights["conv1d.bias"] + sum(taps[k] * padded[:, k : k + x.shape[1]] for k in range(4))
    x = x * torch.sigmoid(x)
    sources = x @ weights["x_proj.weight"].T if "selective" in (delta, B, C) else None
    taken = 0
    step, b, c = weights.get("dt_bias"), weights.get("B"), weights.get("C")
    if delta == "selective":
        step, taken = sources[..., :2] @ weights["dt_proj.weight"].T + weights["dt_proj.bias"], 2
    if B == "selective":
        b, taken = sources[..., taken : taken + 16], taken + 16
    if C == "selective":
        c, taken = sources[..., taken : taken + 16], taken + 16
    assert sources is None or taken == sources.shape[-1]
    step = torch.log1p(step.exp()).expand_as(x)
    b, c = (tensor.expand(*x.shape[:2], 16) for tensor in (b, c))
    # the mixer's decay rates are float32 whatever its dtype, as in the official package
    rates = -torch.exp(weights["A_log"].float())
    h, written = torch.zeros(len(x), 2 * WIDTH, 16), []
    for t in range(x.shape[1]):
        h = torch.exp(step[:, t, :, None] * rates) * h + (step * x)[:, t, :, None] * b[:, t, None, :]
        written.append((h * c[:, t, None, :]).sum(-1) + weights["D"] * x[:, t])
    y = torch.stack(written, dim=1)
    if gate == "on":
        y = y * z[0] * torch.sigmoid(z[0])
    return y @ weights["out_proj.weight"].T


@pytest.mark.parametrize(
    "settings",
    [
        dict(zip(("delta", "B", "C", "conv", "gate"), chosen, strict=True))
        for chosen in product(SOURCES, SOURCES, SOURCES, SWITCHES, SWITCHES)
    ],
    ids=lambda settings: " ".join(settings.values()),
)
def test_every_combination_of_ablations_is_its_written_out_equations(settings):
    mixer = ablated(**settings)
    hidden = torch.randn(2, 7, WIDTH, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    torch.testing.assert_close(mixer(hidden), by_hand(mixer, hidden, **settings), rtol=1e-10, atol=1e-12)


def test_the_whole_mixer_is_the_one_without_settings():
    """Written out or left out, the settings draw the same weights."""
    drawn = []
    for settings in ({}, {"delta": "selective", "B": "selective", "C": "selective", "conv": "on", "gate": "on"}):
        torch.manual_seed(0)
        drawn.append(Mamba(WIDTH, BLOCKS, **settings).state_dict())
    assert list(drawn[0]) == list(drawn[1])
    assert all(torch.equal(drawn[0][name], drawn[1][name]) for name in drawn[0])


def test_an_entirely_constant_scan_is_one_long_convolution():
    """y_t = sum_s K_s u_{t-s} with K_s = sum_n C_n exp(s delta A_n) delta B_n, and D u_t: linear, time-invariant."""
    mixer = ablated(**CONSTANT, conv="off", gate="off")
    hidden = torch.randn(1, 6, WIDTH, dtype=torch.float64)
    u = F.silu(hidden @ mixer.in_proj.weight.T)
    step = F.softplus(mixer.dt_bias)[:, None]
    powers = torch.exp(torch.arange(6.0)[:, None, None] * step * -mixer.A_log.float().exp())
    kernel = (mixer.C * powers * step * mixer.B).sum(-1)
    y = torch.stack([sum(kernel[s] * u[:, t - s] for s in range(t + 1)) for t in range(6)], dim=1) + mixer.D * u
    torch.testing.assert_close(mixer(hidden), y @ mixer.out_proj.weight.T, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("settings", "gone", "new"),
    [
        ({"delta": "constant"}, {"dt_proj.weight", "dt_proj.bias"}, {"dt_bias": (64,)}),
        ({"B": "constant"}, set(), {"B": (16,)}),
        ({"C": "constant"}, set(), {"C": (16,)}),
        (CONSTANT, {"dt_proj.weight", "dt_proj.bias", "x_proj.weight"}, {"dt_bias": (64,), "B": (16,), "C": (16,)}),
        ({"conv": "off"}, {"conv1d.weight", "conv1d.bias"}, {}),
        ({"gate": "off"}, set(), {}),
    ],
)
def test_an_ablation_takes_its_parameters_with_it(settings, gone, new):
    whole, left = (
        {name: tuple(p.shape) for name, p in Mamba(WIDTH, 1, **s).named_parameters()} for s in ({}, settings)
    )
    assert set(whole) - set(left) == gone
    assert {name: left[name] for name in set(left) - set(whole)} == new


def test_projections_shrink_by_what_is_constant_or_off():
    rank = 2
    for settings, rows in (({"delta": "constant"}, 32), ({"B": "constant"}, rank + 16), ({"C": "constant"}, rank + 16)):
        assert len(Mamba(WIDTH, 1, **settings).x_proj.weight) == rows
    assert len(Mamba(WIDTH, 1, gate="off").in_proj.weight) == 2 * WIDTH


def test_a_constant_step_starts_as_the_selective_ones_bias_does():
    torch.manual_seed(0)
    steps = F.softplus(Mamba(256, 1, delta="constant").dt_bias.detach().double())
    place = (steps.log() - math.log(1e-3)) / math.log(100)
    assert abs(place.mean().item() - 0.5) < 5 / (12 * len(place)) ** 0.5
    assert place.min() >= -1e-4
    assert place.max() <= 1 + 1e-4


def test_a_constant_b_starts_at_one_and_a_constant_c_normal():
    torch.manual_seed(0)
    drawn = torch.stack([Mamba(1, 1, **CONSTANT).C.detach() for _ in range(60)])
    assert torch.equal(Mamba(WIDTH, 1, B="constant").B, torch.ones(16))
    assert abs(drawn.mean().item()) < 5 / drawn.numel() ** 0.5
    assert drawn.std().item() == pytest.approx(1, rel=5 / (2 * drawn.numel()) ** 0.5)


@pytest.mark.parametrize("settings", [CONSTANT, {"delta": "constant"}, {"conv": "off", "gate": "off"}])
def test_backends_agree_on_ablations_with_their_gradients(settings):
    """Within 1e-5 of the largest number of each tensor."""
    hidden, results = torch.randn(2, 9, WIDTH), []
    mixer = ablated(**settings).float()
    for backend in ("reference", "cpu"):
        mixer.backend = backend
        output = mixer(hidden)
        results.append([output, *torch.autograd.grad(output.square().sum(), list(mixer.parameters()))])
    assert all(close(found, expected) for found, expected in zip(results[1], results[0], strict=True))


def test_operations_are_counted_part_by_part():
    """Width 32, one token: 2 a weight of a linear map or of the convolution, 9 a state of the scan."""
    whole = Mamba(WIDTH, 1).flops(1)
    assert whole == 2 * (32 * 128 + 64 * 34 + 2 * 64 + 64 * 32) + 2 * 64 * 4 + 9 * 64 * 16
    assert Mamba(WIDTH, 1, gate="off").flops(1) == whole - 2 * 32 * 64
    assert Mamba(WIDTH, 1, conv="off").flops(1) == whole - 2 * 64 * 4
    assert Mamba(WIDTH, 1, B="constant").flops(1) == whole - 2 * 64 * 16
    assert Mamba(WIDTH, 1, delta="constant").flops(1) == whole - 2 * (64 * 2 + 2 * 64)


@pytest.mark.parametrize("settings", [{}, CONSTANT, {"conv": "off", "gate": "off"}])
def test_what_happens_inside_makes_what_comes_out(settings):
    """The states, read by C, skipped by D and gated, are the mixer's output; so is the implicit attention's sum."""
    mixer, hidden = ablated(**settings), torch.randn(2, 9, WIDTH, dtype=torch.float64)
    inside = mixer.inside(hidden)
    skipped = mixer.D * inside.convolution
    read = torch.einsum("btis,bts->bti", inside.states, inside.C) + skipped
    gated = read if inside.gate is None else read * inside.gate
    with torch.no_grad():
        torch.testing.assert_close(mixer.out_proj(gated), mixer(hidden))
    for at in (0, 4, 8):
        attended = torch.einsum("bsi,bsi->bi", inside.attention(at), inside.convolution[:, : at + 1])
        torch.testing.assert_close(attended + skipped[:, at], read[:, at])
