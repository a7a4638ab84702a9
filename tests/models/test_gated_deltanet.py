"""Claims: Gated DeltaNet is Qwen3-Next's layer on shared weights, and starts as the paper's package does."""

import math

import pytest
import torch
import torch.nn.functional as F

from probe.errors import ProbeError
from probe.models.gated_deltanet import GatedDeltaNet

# what transformers warns of in its own modules is not ours to mend
pytestmark = pytest.mark.filterwarnings("ignore:::transformers")

WIDTH, HEADS = 16, 2
KEYS, VALUES = WIDTH // HEADS, 2 * WIDTH // HEADS


def ours():
    torch.manual_seed(0)
    mixer = GatedDeltaNet(WIDTH, 1, heads=HEADS)
    # weights after training are nowhere as even as at the start
    with torch.no_grad():
        for parameter in mixer.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return mixer


def reference(mixer):
    """Returns Qwen3-Next's layer with our weights, which it keeps head by head."""
    transformers = pytest.importorskip("transformers")
    room = pytest.importorskip("transformers.models.qwen3_next.modeling_qwen3_next")
    config = transformers.Qwen3NextConfig(
        hidden_size=WIDTH,
        num_hidden_layers=1,
        layer_types=["linear_attention"],
        linear_num_key_heads=HEADS,
        linear_num_value_heads=HEADS,
        linear_key_head_dim=KEYS,
        linear_value_head_dim=VALUES,
        linear_conv_kernel_dim=4,
        # they divide queries by the root of the key's size, which the norm undoes but for its epsilon
        rms_norm_eps=mixer.NORM_EPSILON / KEYS,
    )
    theirs = room.Qwen3NextGatedDeltaNet(config, 0)
    weights = {name: value.detach() for name, value in mixer.named_parameters()}
    by_head = {name: weights[f"{name}_proj.weight"].unflatten(0, (HEADS, -1)) for name in "qkvgba"}
    theirs.load_state_dict(
        {
            "in_proj_qkvz.weight": torch.cat([by_head[name] for name in "qkvg"], dim=1).flatten(0, 1),
            "in_proj_ba.weight": torch.cat([by_head[name] for name in "ba"], dim=1).flatten(0, 1),
            "conv1d.weight": torch.cat([weights[f"{name}_conv1d.weight"] for name in "qkv"]),
            "A_log": weights["A_log"],
            "dt_bias": weights["dt_bias"],
            "norm.weight": weights["o_norm.weight"],
            "out_proj.weight": weights["o_proj.weight"],
        }
    )
    return theirs


@pytest.mark.parametrize("time", [1, 3, 70])
def test_outputs_and_gradients_equal_hugging_faces_on_shared_weights(time):
    """By the input and by those weights that lie alike; within 1e-5 of the largest number of each tensor."""
    mixer = ours()
    theirs = reference(mixer)
    hidden = torch.randn(2, time, WIDTH, generator=torch.Generator().manual_seed(1))
    weights = torch.randn(2, time, WIDTH, generator=torch.Generator().manual_seed(2))
    pairs = [("A_log", "A_log"), ("dt_bias", "dt_bias"), ("o_norm.weight", "norm.weight")]
    pairs += [("o_proj.weight", "out_proj.weight")]
    results = []
    for model, names in ((mixer, [mine for mine, _ in pairs]), (theirs, [other for _, other in pairs])):
        entering = hidden.clone().requires_grad_()
        output = model(entering)
        leaves = [entering, *(model.get_parameter(name) for name in names)]
        results.append([output, *torch.autograd.grad((weights * output).sum(), leaves)])
    for found, expected in zip(*results, strict=True):
        assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()


def test_without_the_gate_the_normed_reading_is_projected():
    """Switched off, the gate and its weights are not there."""
    torch.manual_seed(0)
    mixer, hidden = GatedDeltaNet(8, 1, heads=2, gate="off").double(), torch.randn(2, 5, 8).double()
    caught = []
    mixer.o_norm.register_forward_hook(lambda module, given, normed: caught.append(normed))
    output = mixer(hidden)
    torch.testing.assert_close(output, caught[0].flatten(-2) @ mixer.o_proj.weight.T)
    assert "g_proj.weight" not in dict(mixer.named_parameters())


def test_decays_start_as_the_official_ones_do():
    """exp(A_log) is uniform in 0..16, softplus(dt_bias) log-uniform in 0.001..0.1, within five standard errors."""
    torch.manual_seed(0)
    mixer = GatedDeltaNet(1024, 1, heads=1024, expand=1)
    rates = mixer.A_log.detach().exp() / 16
    place = (F.softplus(mixer.dt_bias.detach().double()).log() - math.log(1e-3)) / math.log(100)
    for uniform in (rates, place):
        assert uniform.min() >= -1e-4
        assert uniform.max() <= 1 + 1e-4
        assert abs(uniform.mean().item() - 0.5) < 5 / (12 * 1024) ** 0.5


def test_values_are_as_wide_as_asked_for():
    assert GatedDeltaNet(8, 1, heads=2, expand=3).states(torch.randn(1, 2, 8)).shape == (1, 2, 2, 12, 4)
    with pytest.raises(ProbeError) as raised:
        GatedDeltaNet(8, 1, heads=2, expand=0)
    assert str(raised.value) == "Values 0 times as wide as the keys were asked for. Give expand=1 or more."


def test_operations_are_counted_part_by_part():
    """Width 8, 2 heads, three tokens: seven maps, three convolutions, 7 operations a number of the state."""
    maps, convolutions, state = 2 * 64 + 3 * 128 + 2 * 16, (8 + 8 + 16) * 4, 2 * 4 * 8
    assert GatedDeltaNet(8, 1, heads=2).flops(3) == 3 * (2 * maps + 2 * convolutions + 7 * state)
