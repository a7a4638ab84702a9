"""Claims: the recurrence is the paper's, the fast forms are the recurrence with its gradients, nothing looks ahead."""

import math

import pytest
import torch

from probe.errors import ProbeError
from probe.kernels.wkv7 import wkv7
from probe.kernels.wkv7.chunked import wkv7 as chunked
from probe.kernels.wkv7.cpu import wkv7 as fused
from probe.kernels.wkv7.reference import wkv7 as reference

NAMES = ("receptance", "log_decay", "key", "value", "removal", "rate")
# of the largest number in a tensor
TOLERANCE = {torch.float32: 2e-5, torch.float64: 1e-11}


def draw(batch=2, time=9, heads=2, size=4, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    shape = (batch, time, heads, size)
    tensors = {name: torch.randn(shape, generator=generator, dtype=torch.float64) for name in NAMES}
    tensors["log_decay"] = -math.exp(-0.5) * torch.sigmoid(2 * tensors["log_decay"])
    tensors["removal"] = torch.nn.functional.normalize(tensors["removal"], dim=-1)
    tensors["rate"] = torch.sigmoid(2 * tensors["rate"])
    return {name: tensor.to(dtype) for name, tensor in tensors.items()}


def run(operation, tensors):
    """Returns the output and the gradient of a weighted sum of it by every tensor."""
    leaves = {name: tensor.clone().requires_grad_() for name, tensor in tensors.items()}
    y = operation(**leaves)
    weights = torch.randn(y.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(y.dtype)
    return {"y": y.detach()} | dict(zip(leaves, torch.autograd.grad(y, list(leaves.values()), weights), strict=True))


@pytest.mark.parametrize("operation", [reference, chunked])
def test_it_is_the_papers_recurrence_in_matrices(operation):
    """S_t = S_{t-1} (diag(w_t) - k^T (a * k)) + v^T k~, y_t = S_t r_t, for one head of one sequence after another."""
    tensors = draw(time=20)
    expected = torch.zeros(2, 20, 2, 4, dtype=torch.float64)
    for b in range(2):
        for head in range(2):
            state = torch.zeros(4, 4, dtype=torch.float64)
            for t in range(20):
                r, log_w, key, value, removal, rate = (tensors[name][b, t, head] for name in NAMES)
                transition = torch.diag(log_w.exp()) - torch.outer(removal, rate * removal)
                state = state @ transition + torch.outer(value, key)
                expected[b, t, head] = state @ r
    torch.testing.assert_close(operation(**tensors), expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("operation", [reference, chunked])
def test_without_decay_and_at_full_rate_a_new_value_replaces_the_old_one(operation):
    """The delta rule: after writing 5, then 7 under the same key of length 1, reading by that key gives 5, then 7."""
    key = torch.tensor([0.6, 0.8]).expand(1, 2, 1, 2)
    value = torch.tensor([5.0, 7.0]).view(1, 2, 1, 1).expand(1, 2, 1, 2)
    found = operation(key, 0 * key, key, value, key, torch.ones_like(key))
    torch.testing.assert_close(found, value)


@pytest.mark.parametrize("time", [1, 15, 16, 17, 70])
@pytest.mark.parametrize("form", [(chunked, torch.float64), (chunked, torch.float32), (fused, torch.float32)])
def test_output_and_every_gradient_of_the_fast_forms_are_the_float64_references(time, form):
    """Within 1e-11 of the largest number in float64, 2e-5 in float32; with one token, decay and removal do nothing."""
    operation, dtype = form
    tensors, exact = draw(time=time, dtype=dtype), draw(time=time)
    got, want = run(operation, tensors), run(reference, exact)
    for name, expected in want.items():
        assert got[name].dtype == dtype
        gap = (got[name] - expected).abs().max() / expected.abs().max().clamp(min=0.1)
        assert gap <= TOLERANCE[dtype], f"{name} is off by {gap:.1e}"


@pytest.mark.parametrize("size", [16, 33, 64])
def test_the_fused_form_is_the_recurrence_for_heads_of_any_size(size):
    tensors = draw(time=20, size=size, dtype=torch.float32)
    tensors["key"], tensors["receptance"] = tensors["key"] / size**0.5, tensors["receptance"] / size**0.5
    got = run(fused, tensors)
    for name, exact in run(reference, {name: tensor.double() for name, tensor in tensors.items()}).items():
        assert (got[name] - exact).abs().max() <= 5e-6 * exact.abs().max(), name


@pytest.mark.parametrize("operation", [chunked, fused])
def test_the_strongest_decay_of_rwkv_7_is_computed_well_in_float32(operation):
    tensors = draw(time=48, dtype=torch.float32)
    tensors["log_decay"].fill_(-math.exp(-0.5))
    got, want = run(operation, tensors), run(reference, {name: tensor.double() for name, tensor in tensors.items()})
    for name, expected in want.items():
        assert (got[name] - expected).abs().max() <= 2e-5 * expected.abs().max(), name


@pytest.mark.parametrize("operation", [reference, chunked])
def test_gradients_are_those_of_finite_differences(operation):
    tensors = [tensor.requires_grad_() for tensor in draw(batch=1, time=4, heads=1, size=2).values()]
    assert torch.autograd.gradcheck(operation, tensors)


@pytest.mark.parametrize("operation", [reference, chunked, fused])
def test_no_output_depends_on_a_later_token_not_even_by_rounding(operation):
    before = draw(time=40, dtype=torch.float32)
    after = {name: tensor.clone() for name, tensor in before.items()}
    for name in NAMES:
        after[name][:, 20:] *= 0.7
    moved = operation(**before) != operation(**after)
    assert not moved[:, :20].any()
    assert moved[:, 20:].any(-1).all()


def test_the_default_is_fused_in_float32_and_chunked_else_and_an_unknown_kernel_is_refused():
    tensors = draw()
    assert torch.equal(wkv7(**tensors), chunked(**tensors))
    single = draw(dtype=torch.float32)
    assert torch.equal(wkv7(**single), fused(**single))
    assert torch.equal(wkv7(**tensors, backend="reference"), reference(**tensors))
    with pytest.raises(ProbeError, match=r"Did you mean chunked\? Kernels: auto, reference, cpu, chunked"):
        wkv7(**tensors, backend="chunk")
