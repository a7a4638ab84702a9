"""Claims: the fused norm is the paper's formula with its gradients, whatever the sizes, and rows do not meet."""

import numpy as np
import pytest
import torch

from probe.errors import ProbeError
from probe.kernels.rms_norm import RMSNorm, cpu, rms_norm
from probe.kernels.rms_norm import torch as torchs
from probe.kernels.rms_norm.reference import rms_norm as reference


def draw(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return 3 * torch.randn(*shape, generator=generator), torch.randn(shape[-1], generator=generator)


def run(operation, x, weight):
    """Returns the output and the gradients of a weighted sum of it by rows and weight."""
    leaves = x.clone().requires_grad_(), weight.clone().requires_grad_()
    y = operation(*leaves, 1e-5)
    back = torch.randn(y.shape, generator=torch.Generator().manual_seed(1)).to(y.dtype)
    return [y.detach(), *torch.autograd.grad(y, leaves, back)]


def test_the_reference_is_the_papers_formula():
    x, weight = (tensor.double().numpy() for tensor in draw(4, 6))
    wanted = [[w * a / np.sqrt(np.mean(row**2) + 1e-5) for a, w in zip(row, weight, strict=True)] for row in x]
    np.testing.assert_allclose(reference(torch.tensor(x), torch.tensor(weight)), wanted, rtol=1e-13)


@pytest.mark.parametrize("form", [cpu, torchs])
@pytest.mark.parametrize("shape", [(5, 1), (1, 16), (7, 8), (3, 65, 64), (130, 37), (2, 3, 5, 435), (0, 16)])
def test_the_fast_forms_are_the_reference_with_its_gradients(form, shape):
    x, weight = draw(*shape)
    for found, exact in zip(run(form.rms_norm, x, weight), run(reference, x.double(), weight.double()), strict=True):
        assert found.shape == exact.shape
        torch.testing.assert_close(found, exact.float(), rtol=2e-5, atol=2e-5)


def test_a_row_of_zeros_gives_zeros_and_what_is_not_a_number_stays_in_its_row():
    x, weight = draw(4, 32)
    x[0], x[1, 3] = 0, float("nan")
    y, d_x, _ = run(cpu.rms_norm, x, weight)
    assert not y[0].any()
    assert d_x[0].isfinite().all()
    assert y[1].isnan().all()
    assert y[2:].isfinite().all()
    assert d_x[2:].isfinite().all()


def test_threads_rows_beside_and_strides_change_no_bit():
    (x, weight), threads = draw(300, 37), torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = run(cpu.rms_norm, x, weight)
        torch.set_num_threads(3)
        shared = run(cpu.rms_norm, x, weight)
    finally:
        torch.set_num_threads(threads)
    assert all(map(torch.equal, alone, shared))
    assert torch.equal(cpu.rms_norm(x[70:71], weight), alone[0][70:71])
    assert torch.equal(cpu.rms_norm(x.T.contiguous().T, weight), alone[0])


def test_the_module_has_torchs_parameters_and_its_epsilon():
    ours, theirs = RMSNorm(20, eps=1e-2), torch.nn.RMSNorm(20, eps=1e-2)
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    x = draw(9, 20)[0] / 100
    torch.testing.assert_close(ours(x), theirs(x))


def test_auto_is_fused_in_float32_and_torchs_else_and_other_tensors_are_refused():
    x, weight = draw(3, 20)
    assert torch.equal(rms_norm(x, weight), cpu.rms_norm(x, weight))
    assert torch.equal(rms_norm(x.double(), weight.double()), torchs.rms_norm(x.double(), weight.double()))
    with pytest.raises(ProbeError, match=r"given torch\.float64 on cpu; it needs float32 on the CPU"):
        rms_norm(x.double(), weight, backend="cpu")
    with pytest.raises(ProbeError, match=r"No kernel of the norm is called 'layer'"):
        rms_norm(x, weight, backend="layer")
