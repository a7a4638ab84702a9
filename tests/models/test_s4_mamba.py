"""Claims: S4-Mamba is Mamba's shell around S4D, has the paper's size, both variants, and runs token by token."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from probe.models.mamba import Mamba
from probe.models.s4_mamba import S4Mamba


def draw(dtype=torch.float64, **settings):
    torch.manual_seed(0)
    mixer = S4Mamba(8, blocks=2, **settings).to(dtype)
    return mixer, torch.randn(2, 20, 8, dtype=dtype)


@pytest.mark.parametrize("gate", ["silu", "linear"])
def test_it_is_the_formula_written_out(gate):
    """out(S4D(silu(conv(x))) gate(z)), x and z the halves of in(hidden)."""
    mixer, hidden = draw(gate=gate)
    x, z = (hidden @ mixer.in_proj.weight.T).chunk(2, dim=-1)
    mixed = mixer.conv1d.bias + torch.zeros_like(x)
    for lag in range(4):
        mixed = mixed + mixer.conv1d.weight[:, 0, 3 - lag] * F.pad(x, (0, 0, lag, 0))[:, :20]
    mixer.kernel.backend = "reference"
    y = mixer.kernel(mixed * torch.sigmoid(mixed))
    expected = (y * (z * torch.sigmoid(z) if gate == "silu" else z)) @ mixer.out_proj.weight.T
    mixer.kernel.backend = "auto"
    torch.testing.assert_close(mixer(hidden), expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize(("width", "parameters"), [(128, 108_544), (256, 413_696)])
def test_the_block_with_its_norm_has_the_published_size(width, parameters):
    """6 d² + 80 d, of which 2 d are the LayerNorm's."""
    modules = (S4Mamba(width, blocks=8), nn.LayerNorm(width))
    assert sum(p.numel() for module in modules for p in module.parameters()) == parameters == 6 * width**2 + 80 * width


def test_its_shell_has_mambas_names_and_shapes():
    shell = ("in_proj.", "conv1d.", "out_proj.")
    ours, mambas = (
        {name: value.shape for name, value in mixer.state_dict().items() if name.startswith(shell)}
        for mixer in (S4Mamba(32, 4), Mamba(32, 4))
    )
    assert ours == mambas


def test_output_weights_start_divided_by_the_square_root_of_the_depth_and_skips_at_one_or_drawn():
    torch.manual_seed(0)
    mixer = S4Mamba(64, blocks=16)
    bound = 128**-0.5 / 4
    assert 0.99 * bound < mixer.out_proj.weight.abs().max() <= bound
    assert (mixer.kernel.D == 1).all()
    drawn = S4Mamba(64, blocks=16, skip="normal").kernel.D
    assert drawn.std().item() == pytest.approx(1, rel=5 / (2 * 128) ** 0.5)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
@pytest.mark.parametrize("gate", ["silu", "linear"])
def test_step_by_step_equals_the_whole_sequence(gate, dtype, tolerance):
    mixer, hidden = draw(dtype, gate=gate)
    state, outputs = mixer.start(2), []
    for token in hidden.unbind(1):
        output, state = mixer.step(token, state)
        outputs.append(output)
    expected = mixer(hidden)
    assert (torch.stack(outputs, 1) - expected).abs().max() <= tolerance * expected.abs().max()


def test_no_output_depends_on_a_later_token():
    mixer, hidden = draw()
    changed = hidden.clone()
    changed[:, 12] += 1
    moved = (mixer(changed) - mixer(hidden)).abs().amax((0, 2))
    assert not moved[:12].any()
    assert (moved[12:] > 1e-9).all()


def test_every_parameter_has_a_gradient():
    mixer, hidden = draw()
    mixer(hidden).square().sum().backward()
    for name, parameter in mixer.named_parameters():
        assert parameter.grad is not None and parameter.grad.any(), name


def test_dropout_takes_whole_channels_of_the_state_space_while_training():
    """With an output map that lets half of the inner channels through, a channel is silent everywhere or nowhere."""
    mixer, hidden = draw(dropout=0.5)
    mixer.out_proj.weight = nn.Parameter(torch.eye(8, 16, dtype=torch.float64))
    silent = mixer(hidden) == 0
    assert 0 < silent.sum() < silent.numel()
    assert torch.equal(silent, silent[:, :1].expand_as(silent))
    assert (mixer.eval()(hidden) != 0).all()


def test_the_operations_are_counted():
    """A token of width 8: maps to 32 and from 16, four taps and 8 modes on 16 inner channels."""
    mixer, _ = draw()
    assert mixer.flops(3) == 3 * (2 * (8 * 32 + 16 * 4 + 16 * 8) + 16 * (14 * 8 + 2))
