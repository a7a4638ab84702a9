"""Claims: the fused activation is x Phi(x) with its slope, as close as torch's own, whatever the shape."""

import pytest
import torch

from probe.errors import ProbeError
from probe.kernels.exact_gelu import cpu, exact_gelu
from probe.kernels.exact_gelu import torch as torchs
from probe.kernels.exact_gelu.reference import exact_gelu as reference


def run(operation, x):
    """Returns the activation and its slope."""
    leaf = x.clone().requires_grad_()
    y = operation(leaf)
    return y.detach(), torch.autograd.grad(y.sum(), leaf)[0]


def test_the_reference_is_the_mean_of_x_where_a_normal_number_is_smaller():
    x = torch.linspace(-6, 6, 201, dtype=torch.float64)
    normal = torch.distributions.Normal(torch.tensor(0.0, dtype=torch.float64), torch.tensor(1.0, dtype=torch.float64))
    found, slope = run(reference, x)
    torch.testing.assert_close(found, x * normal.cdf(x), rtol=1e-12, atol=1e-15)
    torch.testing.assert_close(slope, normal.cdf(x) + x * normal.log_prob(x).exp(), rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("operation", [cpu.exact_gelu, torchs.exact_gelu])
def test_it_is_the_written_out_formula_with_its_slope(operation):
    x = torch.linspace(-15, 15, 100_003)
    for found, wanted in zip(run(operation, x), run(reference, x.double()), strict=True):
        assert (found - wanted).abs().max() < 2e-6


def test_far_below_zero_it_keeps_its_digits_which_one_minus_a_distribution_loses():
    x = torch.linspace(-8, -1, 10_001)
    exact = reference(x.double())
    assert ((cpu.exact_gelu(x) - exact) / exact).abs().max() < 1e-3


@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 5, 7), (4097,), (8192,), (3, 1365)])
def test_it_is_so_for_any_number_of_numbers(shape):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    for found, wanted in zip(run(cpu.exact_gelu, x), run(reference, x.double()), strict=True):
        assert found.shape == shape
        torch.testing.assert_close(found, wanted.float(), rtol=1e-5, atol=1e-6)


def test_what_is_not_a_number_stays_so_and_large_numbers_come_to_their_limits():
    x = torch.tensor([float("nan"), float("inf"), -float("inf"), 1e20, -1e20])
    wanted = torch.tensor([float("nan"), float("inf"), 0, 1e20, 0])
    torch.testing.assert_close(cpu.exact_gelu(x), wanted, equal_nan=True)
    torch.testing.assert_close(run(cpu.exact_gelu, x)[1], torch.tensor([float("nan"), 1, 0, 1, 0]), equal_nan=True)


def test_auto_is_fused_in_float32_and_torchs_else_and_other_tensors_are_refused():
    x = torch.randn(40)
    assert torch.equal(exact_gelu(x), cpu.exact_gelu(x))
    assert torch.equal(exact_gelu(x.double()), torchs.exact_gelu(x.double()))
    with pytest.raises(ProbeError, match=r"given torch\.float64 on cpu; it needs float32 on the CPU"):
        exact_gelu(x.double(), backend="cpu")
    with pytest.raises(ProbeError, match=r"No kernel of the exact GELU is called 'erf'"):
        exact_gelu(x, backend="erf")
