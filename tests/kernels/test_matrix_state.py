"""Claims: the fused pass over matrix states reads float32 alone, knows no second derivative, and no thread shows."""

import pytest
import torch

from probe.errors import ProbeError
from probe.kernels.matrix_state import matrix_state

SIZES = {"query": 20, "key": 20, "value": 24, "decay": 20, "ask": 20, "give": 20}


def draw(prompts=5, heads=3, time=37):
    generator = torch.Generator().manual_seed(0)
    tensors = {name: torch.randn(prompts, time, heads, size, generator=generator) / 5 for name, size in SIZES.items()}
    return tensors | {"decay": torch.sigmoid(tensors["decay"])}


def by_hand(query, key, value, decay, ask, give):
    """S_t = S_{t-1} diag(w_t) + (S_{t-1} a_t) b_t^T + v_t k_t^T, y_t = S_t q_t, in double precision."""
    rows = [tensor.double().unbind(1) for tensor in (query, key, value, decay, ask, give)]
    state = torch.zeros(*value.shape[::2], value.shape[3], key.shape[3], dtype=torch.float64)
    outputs = []
    for q, k, v, w, a, b in zip(*rows, strict=True):
        asked = (state * a.unsqueeze(-2)).sum(-1, keepdim=True)
        state = state * w.unsqueeze(-2) + asked * b.unsqueeze(-2) + v.unsqueeze(-1) * k.unsqueeze(-2)
        outputs.append((state * q.unsqueeze(-2)).sum(-1))
    return torch.stack(outputs, dim=1)


def run(operation, tensors):
    leaves = {name: tensor.clone().requires_grad_() for name, tensor in tensors.items()}
    y = operation(**leaves)
    weights = torch.randn(y.shape, generator=torch.Generator().manual_seed(1)).to(y.dtype)
    return {"y": y.detach()} | dict(zip(leaves, torch.autograd.grad(y, list(leaves.values()), weights), strict=True))


def test_it_is_the_written_out_recurrence_with_every_gradient():
    tensors = draw()
    got, want = run(matrix_state, tensors), run(by_hand, tensors)
    for name, exact in want.items():
        assert (got[name] - exact).abs().max() <= 5e-6 * exact.abs().max(), name


def test_threads_and_other_prompts_change_no_bit():
    tensors, threads = draw(), torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = run(matrix_state, tensors)
        torch.set_num_threads(3)
        shared = run(matrix_state, tensors)
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(alone[name], shared[name]) for name in alone)
    part = matrix_state(**{name: tensor[2:3] for name, tensor in tensors.items()})
    assert torch.equal(part, alone["y"][2:3])


@pytest.mark.parametrize("name", SIZES)
def test_a_tensor_that_is_not_float32_is_refused(name):
    tensors = draw()
    tensors[name] = tensors[name].double()
    with pytest.raises(ProbeError, match=r"given torch\.float64 on cpu; it needs float32 on the CPU"):
        matrix_state(**tensors)


def test_a_second_derivative_is_refused_instead_of_being_wrong():
    tensors = {name: tensor.requires_grad_() for name, tensor in draw().items()}
    (slope,) = torch.autograd.grad(matrix_state(**tensors).square().sum(), tensors["key"], create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        slope.sum().backward()
