"""Claims: the reference is the paper's recurrence; the convolutions are the reference, gradients included."""

import cmath
import math

import numpy as np
import pytest
import torch

from probe.errors import ProbeError
from probe.kernels.diagonal_convolution import diagonal_convolution
from probe.kernels.diagonal_convolution.cpu import diagonal_convolution as cpu
from probe.kernels.diagonal_convolution.fft import diagonal_convolution as fft
from probe.kernels.diagonal_convolution.fft import kernel
from probe.kernels.diagonal_convolution.reference import diagonal_convolution as reference
from probe.kernels.diagonal_convolution.toeplitz import diagonal_convolution as toeplitz

# of the largest number in a tensor
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-12}


def draw(batch=2, time=9, channels=3, modes=4, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    tensors = {
        "u": normal(batch, time, channels),
        "step": 0.1 * normal(channels).exp(),
        "A": torch.complex(-normal(channels, modes).exp(), 3 * normal(channels, modes)),
        "C": torch.complex(normal(channels, modes), normal(channels, modes)),
        "D": normal(channels),
    }
    modes_dtype = torch.complex64 if dtype == torch.float32 else torch.complex128
    return {name: tensor.to(modes_dtype if tensor.is_complex() else dtype) for name, tensor in tensors.items()}


def run(convolution, tensors):
    """Returns the output and the gradient of a weighted sum of it by every tensor."""
    leaves = {name: tensor.clone().requires_grad_() for name, tensor in tensors.items()}
    y = convolution(**leaves)
    weights = torch.randn(y.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(y.dtype)
    return {"y": y.detach()} | dict(zip(leaves, torch.autograd.grad(y, list(leaves.values()), weights), strict=True))


def test_the_reference_is_the_written_out_recurrence():
    """One number after another, each conjugate pair written as two modes, so that no factor 2 Re is needed."""
    tensors = {name: tensor.numpy() for name, tensor in draw().items()}
    u, step, A, C, D = tensors.values()
    expected = D * u
    for b, c, n in np.ndindex(len(u), *A.shape):
        for a, out in ((A[c, n], C[c, n]), (A[c, n].conjugate(), C[c, n].conjugate())):
            decay, state = cmath.exp(step[c] * a), 0j
            for t in range(u.shape[1]):
                state = decay * state + (decay - 1) / a * u[b, t, c]
                expected[b, t, c] += (out * state).real
    np.testing.assert_allclose(reference(**draw()), expected, rtol=1e-11, atol=1e-13)


def test_a_held_input_of_one_settles_where_the_differential_equation_does():
    """Zero-order hold is exact: h' = A h + 1 under a constant input 1 gives h(t) = (exp(A t) - 1) / A at every step."""
    one = torch.ones(1, 50, 1, dtype=torch.float64)
    A, step = torch.tensor([[-0.5 + 2j]], dtype=torch.complex128), torch.tensor([0.2], dtype=torch.float64)
    times = step * torch.arange(1, 51)
    expected = 2 * ((torch.exp(A[0] * times) - 1) / A[0]).real
    found = reference(one, step, A, torch.ones_like(A), torch.zeros(1, dtype=torch.float64))
    torch.testing.assert_close(found.flatten(), expected)


def test_the_kernel_is_the_response_to_one_impulse():
    tensors = draw(batch=1)
    impulse = torch.zeros_like(tensors["u"])
    impulse[:, 0] = 1
    response = reference(**(tensors | {"u": impulse, "D": 0 * tensors["D"]}))
    torch.testing.assert_close(kernel(9, tensors["step"], tensors["A"], tensors["C"]), response[0])


@pytest.mark.parametrize("time", [1, 2, 3, 9, 40, 129])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("convolution", [toeplitz, fft])
def test_output_and_every_gradient_are_the_float64_references(convolution, time, dtype):
    """Within 1e-12 of the largest number in float64, 1e-5 in float32."""
    got, want = run(convolution, draw(time=time, dtype=dtype)), run(reference, draw(time=time))
    for name, exact in want.items():
        assert torch.zeros((), dtype=got[name].dtype).real.dtype == dtype
        gap = ((got[name] - exact).abs().max() / exact.abs().max()).item()
        assert gap <= TOLERANCE[dtype], f"{name} is off by {gap:.1e}"


@pytest.mark.parametrize("time", [1, 2, 3, 4, 5, 9, 40, 129])
@pytest.mark.parametrize("channels", [3, 16, 37])
def test_the_fused_output_and_every_gradient_are_the_float64_references(time, channels):
    """Groups of sixteen channels and of four tokens, broken ones too; (A_bar - 1) / A loses digits where A is small."""
    given = draw(time=time, channels=channels, dtype=torch.float32)
    want = run(reference, draw(time=time, channels=channels))
    for name, found in run(cpu, given).items():
        gap = ((found - want[name]).abs().max() / want[name].abs().max()).item()
        assert gap <= (1e-4 if name == "A" else 1e-5), f"{name} is off by {gap:.1e}"


def test_the_fused_form_depends_neither_on_threads_nor_on_prompts_beside_nor_on_later_ones_that_have_no_end():
    given, threads = draw(batch=9, channels=37, dtype=torch.float32), torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = run(cpu, given)
        torch.set_num_threads(3)
        shared = run(cpu, given)
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(alone[name], shared[name]) for name in alone)
    assert torch.equal(cpu(**(given | {"u": given["u"][4:5]})), alone["y"][4:5])
    endless = given["u"].clone()
    endless[:, 5:] = float("inf")
    assert torch.equal(cpu(**(given | {"u": endless}))[:, :5], alone["y"][:, :5])


def test_gradients_are_those_of_finite_differences():
    tensors = [tensor.requires_grad_() for tensor in draw(batch=1, time=4, channels=2, modes=2).values()]
    for convolution in (reference, toeplitz, fft):
        assert torch.autograd.gradcheck(convolution, tensors)


@pytest.mark.parametrize(("convolution", "leak"), [(reference, 0), (toeplitz, 0), (fft, 1e-13)])
def test_no_output_depends_on_a_later_token(convolution, leak):
    """To the last bit, but for the Fourier transform's rounding: it mixes all of time and takes it apart again."""
    before = draw()
    after = before | {"u": before["u"].clone()}
    after["u"][:, 5:] += 1
    moved = (convolution(**before) - convolution(**after)).abs()
    assert moved[:, :5].max() <= leak
    assert moved[:, 5:].min() > 1e-3


@pytest.mark.parametrize(("time", "chosen"), [(257, toeplitz), (258, fft)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_default_for_short_sequences_is_fused_or_the_matrix_and_the_transform_for_long_ones(time, chosen, dtype):
    tensors = draw(batch=1, time=time, dtype=dtype)
    if dtype == torch.float32 and chosen is toeplitz:
        chosen = cpu
    assert torch.equal(diagonal_convolution(**tensors), chosen(**tensors))


def test_a_kernel_can_be_named_and_an_unknown_one_is_refused():
    tensors = draw()
    for name, convolution in (("reference", reference), ("toeplitz", toeplitz), ("fft", fft)):
        assert torch.equal(diagonal_convolution(**tensors, backend=name), convolution(**tensors))
    with pytest.raises(ProbeError, match=r"called 'ftt'. Did you mean fft\? Kernels: auto, reference, cpu, toeplitz"):
        diagonal_convolution(**tensors, backend="ftt")
    with pytest.raises(ProbeError, match=r"given torch\.float64 on cpu; it needs float32 on the CPU"):
        diagonal_convolution(**tensors, backend="cpu")


def test_a_mode_that_does_not_decay_within_reach_keeps_its_memory():
    """The longest memory at the start of training: step 1e-3, Re A = -1/2; after 1,000 steps exp(-1/2) is left."""
    step, A = torch.tensor([1e-3], dtype=torch.float64), torch.tensor([[-0.5 + 0j]], dtype=torch.complex128)
    response = kernel(1001, step, A, torch.ones_like(A)).flatten()
    assert (response[1000] / response[0]).item() == pytest.approx(math.exp(-0.5))
