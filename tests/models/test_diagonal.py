"""Claims: the shared state space starts as S4D-Lin, and token by token it is what it is over a whole sequence."""

import math

import pytest
import torch

from probe.errors import ProbeError
from probe.models.diagonal import DiagonalStateSpace


@pytest.fixture
def fresh():
    torch.manual_seed(0)
    return DiagonalStateSpace(channels=512, states=16)


def test_modes_start_at_minus_a_half_plus_i_pi_n(fresh):
    assert fresh.log_A_real.exp().detach().numpy() == pytest.approx(0.5)
    torch.testing.assert_close(fresh.A_imag.detach(), (math.pi * torch.arange(8.0)).expand(512, 8))


def test_step_sizes_start_log_uniform_between_a_thousandth_and_a_tenth(fresh):
    """The logarithm's mean and deviation within five standard errors."""
    place = (fresh.log_dt.detach().double() - math.log(1e-3)) / math.log(100)
    assert place.min() >= -1e-6
    assert place.max() <= 1 + 1e-6
    assert abs(place.mean().item() - 0.5) < 5 / (12 * len(place)) ** 0.5
    assert abs(place.std().item() - 12**-0.5) < 5 * 12**-0.5 / len(place) ** 0.5


def test_output_weights_start_complex_normal_and_skips_normal(fresh):
    """E |C|^2 = 1, shared evenly by the two parts; D from N(0, 1); within five standard errors."""
    for part in fresh.C.detach().unbind(-1):
        assert part.std().item() == pytest.approx(0.5**0.5, rel=5 / (2 * part.numel()) ** 0.5)
    assert fresh.D.std().item() == pytest.approx(1, rel=5 / (2 * 512) ** 0.5)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
def test_step_by_step_equals_the_whole_sequence(dtype, tolerance):
    torch.manual_seed(1)
    space, hidden = DiagonalStateSpace(6, 8).to(dtype), torch.randn(3, 20, 6, dtype=dtype)
    state, outputs = space.start(3), []
    for token in hidden.unbind(1):
        output, state = space.step(token, state)
        outputs.append(output)
    expected = space(hidden)
    assert expected.dtype == state[0].dtype == dtype
    assert (torch.stack(outputs, 1) - expected).abs().max() <= tolerance * expected.abs().max()


def test_the_reference_kernel_can_be_chosen():
    torch.manual_seed(1)
    space, hidden = DiagonalStateSpace(6, 8), torch.randn(3, 20, 6)
    expected = space(hidden)
    space.backend = "reference"
    torch.testing.assert_close(space(hidden), expected)
    assert not torch.equal(space(hidden), expected)


@pytest.mark.parametrize("states", [0, 1, 15, -2])
def test_a_state_that_is_no_whole_number_of_modes_is_refused(states):
    with pytest.raises(ProbeError, match=f"A state of {states} numbers was given, but complex modes need an even"):
        DiagonalStateSpace(4, states)
