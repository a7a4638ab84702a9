"""Claims: the S4 mixer is the released one's formula, counts as both papers' models do, and runs token by token."""

import pytest
import torch
from torch import nn

from probe.models.s4d import S4D


def size(*modules):
    return sum(parameter.numel() for module in modules for parameter in module.parameters())


def draw(dtype=torch.float64, **settings):
    torch.manual_seed(0)
    mixer = S4D(8, blocks=2, states=16, **settings).to(dtype)
    return mixer, torch.randn(2, 20, 8, dtype=dtype)


def test_it_is_the_formula_written_out():
    """y = GLU(W gelu(K * u + D u) + b), K_l = 2 Re sum_n C_n (exp(step A_n) - 1) / A_n exp(step A_n l)."""
    mixer, u = draw()
    A = -mixer.kernel.log_A_real.exp() + 1j * mixer.kernel.A_imag
    step_A = mixer.kernel.log_dt.exp()[:, None] * A
    scale = torch.view_as_complex(mixer.kernel.C) * (step_A.exp() - 1) / A
    filtered = mixer.kernel.D * u
    for t in range(20):
        for lag in range(t + 1):
            filtered[:, t] += 2 * (scale * step_A.exp() ** lag).sum(-1).real * u[:, t - lag]
    activated = 0.5 * filtered * (1 + torch.erf(filtered / 2**0.5))
    value, gate = (activated @ mixer.output_linear.weight.T + mixer.output_linear.bias).chunk(2, dim=-1)
    torch.testing.assert_close(mixer(u), value / (1 + torch.exp(-gate)), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize(("width", "parameters"), [(128, 37_632), (256, 140_800)])
def test_parks_block_with_its_norm_has_the_published_size(width, parameters):
    """2 d² + 38 d, of which 2 d are the LayerNorm's, 25 d the eight complex modes' and their step sizes."""
    assert size(S4D(width, blocks=8, states=16), nn.LayerNorm(width)) == parameters == 2 * width**2 + 38 * width


def test_grazzis_model_has_the_published_size():
    """24 blocks of width 435 with 64 states and a LayerNorm each, read-in from 20, read-out to 1, no final norm."""
    blocks = 24 * size(S4D(435, blocks=24, dropout=0.1), nn.LayerNorm(435))
    assert blocks + size(nn.Linear(20, 435), nn.Linear(435, 1)) == 10_491_331


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
def test_step_by_step_equals_the_whole_sequence(dtype, tolerance):
    mixer, hidden = draw(dtype)
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
    assert (moved[12:] > 1e-6).all()


def test_every_parameter_has_a_gradient():
    mixer, hidden = draw()
    mixer(hidden).square().sum().backward()
    for name, parameter in mixer.named_parameters():
        assert parameter.grad is not None and parameter.grad.any(), name


def test_dropout_is_tied_over_time_after_the_gate_and_absent_in_evaluation():
    mixer, hidden = draw(dropout=0.5)
    silent = mixer(hidden) == 0
    assert 0 < silent.sum() < silent.numel()
    assert torch.equal(silent, silent[:, :1].expand_as(silent))
    plain = draw()[0].eval()
    assert torch.equal(mixer.eval()(hidden), plain(hidden))


def test_the_operations_are_counted():
    """A token of width 8: 14 a mode and 2 a skip over 8 modes, and the linear map to 16."""
    mixer, _ = draw()
    assert mixer.flops(3) == 3 * (8 * (14 * 8 + 2) + 2 * 8 * 16)
