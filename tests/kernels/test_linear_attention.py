"""Claims: decaying linear attention is its recurrence with every gradient, in one chunk or several.

No thread, no other prompt and no later token shows in what is returned.
"""

import pytest
import torch

from probe.errors import ProbeError
from probe.kernels.linear_attention import ALONE, CHUNK, linear_attention

LENGTHS = {
    "one token": 1,
    "one chunk": 37,
    "the longest chunk": ALONE,
    "two chunks": ALONE + 1,
    "a short last chunk": 4 * CHUNK + 3,
}


def draw(time, prompts=3, heads=4, shared=4, keys=20, values=24):
    generator = torch.Generator().manual_seed(0)

    def normal(*shape):
        return torch.randn(prompts, time, *shape, generator=generator)

    drawn = {"query": normal(shared, keys) / 4, "key": normal(shared, keys) / 4, "value": normal(heads, values)}
    return drawn | {"decay": torch.sigmoid(normal(heads) + 3)}


def by_hand(query, key, value, decay=None):
    """S_t = w_t S_{t-1} + v_t k_t^T, y_t = S_t q_t, in double precision."""
    decay = torch.ones(value.shape[:-1]) if decay is None else decay
    query, key = (tensor.repeat_interleave(value.shape[2] // tensor.shape[2], dim=2) for tensor in (query, key))
    rows = [tensor.double().unbind(1) for tensor in (query, key, value, decay)]
    state = torch.zeros(*value.shape[::2], value.shape[3], key.shape[3], dtype=torch.float64)
    outputs = []
    for q, k, v, w in zip(*rows, strict=True):
        state = state * w[..., None, None] + v.unsqueeze(-1) * k.unsqueeze(-2)
        outputs.append((state * q.unsqueeze(-2)).sum(-1))
    return torch.stack(outputs, dim=1)


def run(operation, tensors):
    leaves = {name: tensor.clone().requires_grad_() for name, tensor in tensors.items()}
    y = operation(**leaves)
    weights = torch.randn(y.shape, generator=torch.Generator().manual_seed(1)).to(y.dtype)
    return {"y": y.detach()} | dict(zip(leaves, torch.autograd.grad(y, list(leaves.values()), weights), strict=True))


def same(tensors):
    got, want = run(linear_attention, tensors), run(by_hand, tensors)
    for name, exact in want.items():
        assert (got[name] - exact).abs().max() <= 1e-6 * exact.abs().max(), name


@pytest.mark.parametrize("shared", [4, 1, 2], ids="{} keys for 4 heads".format)
@pytest.mark.parametrize("time", LENGTHS.values(), ids=LENGTHS)
def test_it_is_the_written_out_recurrence_with_every_gradient(time, shared):
    same(draw(time, shared=shared))


def test_without_a_decay_everything_is_kept():
    tensors = draw(2 * ALONE)
    del tensors["decay"]
    same(tensors)


def test_a_decay_of_zero_forgets_what_was_and_a_slow_one_after_it_keeps_its_digits():
    tensors = draw(2 * ALONE)
    tensors["decay"][:, ::7] = 0
    tensors["decay"][:, 1::7] = 1 - 2**-20
    same(tensors)


def test_a_later_token_changes_no_bit_of_an_earlier_one_whatever_it_is():
    tensors = draw(ALONE + 20)
    before = linear_attention(**tensors)
    for name in tensors:
        later = {other: tensor.clone() for other, tensor in tensors.items()}
        later[name][:, 75:] = float("nan")
        assert torch.equal(linear_attention(**later)[:, :75], before[:, :75]), name


def test_threads_and_other_prompts_change_no_bit():
    tensors, threads = draw(ALONE + 20), torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = run(linear_attention, tensors)
        torch.set_num_threads(3)
        together = run(linear_attention, tensors)
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(alone[name], together[name]) for name in alone)
    part = linear_attention(**{name: tensor[2:3] for name, tensor in tensors.items()})
    assert torch.equal(part, alone["y"][2:3])


@pytest.mark.parametrize("name", draw(3))
def test_a_tensor_that_is_not_float32_is_refused(name):
    tensors = draw(3)
    tensors[name] = tensors[name].double()
    with pytest.raises(ProbeError, match=r"given torch\.float64 on cpu; it needs float32 on the CPU"):
        linear_attention(**tensors)


def test_a_second_derivative_is_refused_instead_of_being_wrong():
    tensors = {name: tensor.requires_grad_() for name, tensor in draw(3).items()}
    (slope,) = torch.autograd.grad(linear_attention(**tensors).square().sum(), tensors["key"], create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        slope.sum().backward()
