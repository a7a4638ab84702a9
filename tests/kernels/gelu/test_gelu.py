"""Claims: the fused activation is the formula of the paper with its slope, whatever the shape, and torch's own."""

import pytest
import torch

from probe.errors import ProbeError
from probe.kernels.gelu import cpu, gelu
from probe.kernels.gelu import torch as torchs
from probe.kernels.gelu.reference import gelu as reference


def run(operation, x):
    """Returns the activation and its slope."""
    leaf = x.clone().requires_grad_()
    y = operation(leaf)
    return y.detach(), torch.autograd.grad(y.sum(), leaf)[0]


@pytest.mark.parametrize("operation", [cpu.gelu, torchs.gelu])
def test_it_is_the_written_out_formula_with_its_slope(operation):
    x = torch.linspace(-15, 15, 100_003)
    for found, wanted in zip(run(operation, x), run(reference, x.double()), strict=True):
        assert (found - wanted).abs().max() < 3e-6


@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 5, 7), (4097,), (8192,), (3, 1365)])
def test_it_is_so_for_any_number_of_numbers(shape):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    for found, wanted in zip(run(cpu.gelu, x), run(reference, x.double()), strict=True):
        assert found.shape == shape
        torch.testing.assert_close(found, wanted.float(), rtol=1e-5, atol=1e-6)


def test_the_slope_is_scaled_by_what_comes_back_and_strided_tensors_are_read_as_they_are():
    x = torch.randn(20, 30, generator=torch.Generator().manual_seed(0)).T
    leaf, weights = x.clone().requires_grad_(), torch.arange(600.0).view(30, 20)
    (found,) = torch.autograd.grad(cpu.gelu(leaf), leaf, weights)
    torch.testing.assert_close(cpu.gelu(x), reference(x))
    torch.testing.assert_close(found, weights * run(reference, x)[1], rtol=1e-4, atol=1e-4)


def test_what_is_not_a_number_or_has_no_end_is_as_torch_has_it():
    x = torch.tensor([float("nan"), float("inf"), -float("inf"), 1e20, -1e20])
    torch.testing.assert_close(cpu.gelu(x), torchs.gelu(x), equal_nan=True)


def test_auto_is_fused_in_float32_and_torchs_else_and_other_tensors_are_refused():
    x = torch.randn(40)
    assert torch.equal(gelu(x), cpu.gelu(x))
    assert torch.equal(gelu(x.double()), torchs.gelu(x.double()))
    with pytest.raises(ProbeError, match=r"given torch\.float64 on cpu; it needs float32 on the CPU"):
        gelu(x.double(), backend="cpu")
    with pytest.raises(ProbeError, match=r"No kernel of GELU is called 'tanh'"):
        gelu(x, backend="tanh")
