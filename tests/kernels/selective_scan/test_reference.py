"""Claims: the reference is the paper's recurrence, written out step by step."""

import math

import numpy as np
import pytest
import torch

from probe.kernels.selective_scan.reference import selective_scan, selective_scan_states, selective_scan_step


def draw(batch=2, time=5, channels=3, states=4, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    shapes = {
        "u": (batch, time, channels),
        "delta": (batch, time, channels),
        "A": (channels, states),
        "B": (batch, time, states),
        "C": (batch, time, states),
        "D": (channels,),
        "z": (batch, time, channels),
        "delta_bias": (channels,),
    }
    tensors = {name: torch.randn(shape, generator=generator, dtype=torch.float64) for name, shape in shapes.items()}
    tensors["A"] = -tensors["A"].exp()
    return {name: tensor.to(dtype) for name, tensor in tensors.items()}


def by_hand(u, delta, A, B, C, D, z=None, delta_bias=None):
    """The equations for one number after another: y and every state."""
    batch, time, channels = u.shape
    y, h = np.zeros(u.shape), np.zeros((batch, time, channels, A.shape[1]))
    for b, c, n in np.ndindex(batch, channels, A.shape[1]):
        state = 0.0
        for t in range(time):
            step = math.log1p(math.exp(delta[b, t, c] + (0.0 if delta_bias is None else delta_bias[c])))
            state = math.exp(step * A[c, n]) * state + step * B[b, t, n] * u[b, t, c]
            h[b, t, c, n] = state
            y[b, t, c] += C[b, t, n] * state
    y += D * u
    return (y if z is None else y * z / (1 + np.exp(-z))), h


@pytest.mark.parametrize("left_out", [(), ("z",), ("delta_bias",), ("z", "delta_bias")])
def test_outputs_and_states_are_those_of_the_written_out_equations(left_out):
    tensors = {name: tensor for name, tensor in draw().items() if name not in left_out}
    y, h = selective_scan_states(**tensors)
    expected_y, expected_h = by_hand(**{name: tensor.numpy() for name, tensor in tensors.items()})
    np.testing.assert_allclose(y, expected_y, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(h, expected_h, rtol=1e-12, atol=1e-14)
    assert torch.equal(selective_scan(**tensors), y)


def test_a_worked_example():
    """Step size softplus(0) = log 2, A = -1: the decay is 1/2, so that the state is log 2, then 1.5 log 2."""
    one = torch.ones(1, 2, 1, dtype=torch.float64)
    y, h = selective_scan_states(one, 0 * one, -one[0, :1], one, 2 * one, 0 * one[0, 0])
    assert h.flatten().tolist() == pytest.approx([math.log(2), 1.5 * math.log(2)])
    assert y.flatten().tolist() == pytest.approx([2 * math.log(2), 3 * math.log(2)])


def test_gradients_in_every_tensor_are_those_of_finite_differences():
    tensors = [tensor.requires_grad_() for tensor in draw(batch=1, time=3, channels=2, states=2).values()]
    assert torch.autograd.gradcheck(lambda *given: selective_scan(*given), tensors)
    assert torch.autograd.gradcheck(lambda *given: selective_scan_states(*given)[1], tensors)


def test_no_output_depends_on_a_later_token():
    before = draw()
    after = {name: tensor.clone() for name, tensor in before.items()}
    for name in ("u", "delta", "B", "C", "z"):
        after[name][:, 3:] += 1
    first, second = selective_scan(**before), selective_scan(**after)
    assert torch.equal(first[:, :3], second[:, :3])
    assert not torch.equal(first[:, 3:], second[:, 3:])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_any_float_dtype_is_taken_and_kept(dtype):
    assert selective_scan(**draw(dtype=dtype)).dtype == dtype


def test_one_step_after_another_gives_the_scan_and_its_states():
    given = draw()
    del given["z"], given["delta_bias"]
    y, h = selective_scan_states(**given)
    state = torch.zeros_like(h[:, 0])
    for t in range(y.shape[1]):
        steps = torch.nn.functional.softplus(given["delta"][:, t])
        b, c = given["B"][:, t], given["C"][:, t]
        found, state = selective_scan_step(given["u"][:, t], steps, given["A"], b, c, given["D"], state)
        torch.testing.assert_close(found, y[:, t], rtol=1e-12, atol=1e-14)
        torch.testing.assert_close(state, h[:, t], rtol=1e-12, atol=1e-14)
