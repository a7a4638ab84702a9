"""Claims: Mamba-2's loop is its written-out recurrence, and the fast forms are the loop with its gradients."""

import numpy as np
import pytest
import torch

from probe.errors import ProbeError
from probe.kernels.selective_scan.reference import selective_scan
from probe.kernels.ssd import chunked, cpu, ssd
from probe.kernels.ssd.reference import ssd as reference
from probe.kernels.ssd.reference import ssd_states

# of the largest number in a tensor
TOLERANCE = {torch.float64: 1e-12, torch.float32: 5e-6}


def draw(batch=2, time=7, heads=3, size=4, states=5, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)

    def normal(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    tensors = {
        "x": normal(batch, time, heads, size),
        "step": normal(batch, time, heads).exp() / 4,
        "A": -normal(heads).exp(),
        "B": normal(batch, time, states),
        "C": normal(batch, time, states),
        "D": normal(heads),
    }
    return {name: tensor.to(dtype) for name, tensor in tensors.items()}


def run(operation, tensors):
    """Returns the output and the gradient of a weighted sum of it by every tensor."""
    leaves = {name: tensor.detach().requires_grad_() for name, tensor in tensors.items()}
    output = operation(**leaves)
    weights = torch.randn(output.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    gradients = torch.autograd.grad(output, list(leaves.values()), weights.to(output.dtype))
    return {"output": output.detach()} | dict(zip(leaves, gradients, strict=True))


def by_hand(x, step, A, B, C, D):
    """S_t = exp(step_t A) S_{t-1} + step_t x_t B_t^T and y_t = S_t C_t + D x_t, one head after another."""
    outputs, states = np.zeros(x.shape), np.zeros((*x.shape, B.shape[-1]))
    for b, h in np.ndindex(x.shape[0], x.shape[2]):
        state = np.zeros((x.shape[-1], B.shape[-1]))
        for t in range(x.shape[1]):
            state = np.exp(step[b, t, h] * A[h]) * state + step[b, t, h] * np.outer(x[b, t, h], B[b, t])
            states[b, t, h], outputs[b, t, h] = state, state @ C[b, t] + D[h] * x[b, t, h]
    return outputs, states


def test_the_loop_is_the_written_out_recurrence():
    tensors = draw()
    outputs, states = ssd_states(**tensors)
    expected = by_hand(**{name: tensor.numpy() for name, tensor in tensors.items()})
    np.testing.assert_allclose(outputs, expected[0], rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(states, expected[1], rtol=1e-12, atol=1e-14)


def test_the_loops_gradients_are_those_of_finite_differences():
    tensors = [tensor.requires_grad_() for tensor in draw(1, 3, 2, 2, 2).values()]
    assert torch.autograd.gradcheck(reference, tensors)


@pytest.mark.parametrize(("form", "dtype"), [(chunked, torch.float64), (chunked, torch.float32), (cpu, torch.float32)])
@pytest.mark.parametrize("time", [1, 2, 16, 17, 48, 49, 97, 150])
def test_the_fast_forms_are_the_loop_with_every_gradient(form, dtype, time):
    """One chunk, full chunks, and a last one that is not full; float32 is held against the float64 loop."""
    tensors = draw(time=time, dtype=dtype)
    got = run(form.ssd, tensors)
    want = run(reference, {name: tensor.double() for name, tensor in tensors.items()})
    for name, exact in want.items():
        assert got[name].dtype == dtype
        gap = (got[name].double() - exact).abs().max().item()
        assert gap <= TOLERANCE[dtype] * exact.abs().max().item() + 1e-30, f"{name} is off by {gap:.1e}"


@pytest.mark.parametrize(("size", "states"), [(16, 16), (33, 15), (8, 40)])
def test_the_fused_form_is_the_loop_for_any_size_of_head_and_state(size, states):
    tensors = draw(time=20, size=size, states=states, dtype=torch.float32)
    got = run(cpu.ssd, tensors)
    for name, exact in run(reference, {name: tensor.double() for name, tensor in tensors.items()}).items():
        assert (got[name] - exact).abs().max() <= 5e-6 * exact.abs().max(), name


def test_it_is_mambas_selective_scan_where_all_channels_and_states_of_a_head_share_one_decay():
    tensors = draw(time=60)
    x, step, size, states = tensors["x"], tensors["step"], 4, 5
    channels = {
        "u": x.flatten(2),
        # softplus is Mamba's own
        "delta": step.expm1().log().repeat_interleave(size, dim=2),
        "A": tensors["A"].repeat_interleave(size)[:, None].expand(-1, states),
        "D": tensors["D"].repeat_interleave(size),
    }
    expected = selective_scan(B=tensors["B"], C=tensors["C"], **channels)
    torch.testing.assert_close(ssd(**tensors).flatten(2), expected)


@pytest.mark.parametrize("operation", [reference, chunked.ssd])
def test_no_output_depends_on_a_later_token(operation):
    before = draw(time=60)
    after = {name: tensor.clone() for name, tensor in before.items()}
    for name in ("x", "step", "B", "C"):
        after[name][:, 50:] *= 2
    first, second = operation(**before), operation(**after)
    torch.testing.assert_close(first[:, :50], second[:, :50], rtol=1e-12, atol=1e-14)
    assert ((first - second)[:, 50:].abs().amax((0, 2, 3)) > 1e-6).all()


def test_auto_is_fused_in_float32_and_chunked_else_and_an_unknown_backend_is_named_with_the_known_ones():
    tensors = draw()
    assert torch.equal(ssd(**tensors), chunked.ssd(**tensors))
    single = {name: tensor.float() for name, tensor in tensors.items()}
    assert torch.equal(ssd(**single), cpu.ssd(**single))
    assert torch.equal(ssd(**tensors, backend="reference"), reference(**tensors))
    with pytest.raises(ProbeError) as raised:
        ssd(**tensors, backend="refrence")
    assert str(raised.value) == (
        "No kernel of Mamba-2 is called 'refrence'. Did you mean reference? Kernels: auto, reference, cpu, chunked."
    )
