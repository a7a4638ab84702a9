"""Claims: fused attention is the written-out softmax with its gradient, and heads and later tokens do not meet."""

import pytest
import torch

from probe.errors import ProbeError
from probe.kernels.causal_attention import LONGEST_FUSED, causal_attention, cpu
from probe.kernels.causal_attention import torch as torchs
from probe.kernels.causal_attention.reference import causal_attention as reference


def draw(batch=3, time=21, heads=7, size=16, scale=2.0):
    return scale * torch.randn(batch, time, 3, heads, size, generator=torch.Generator().manual_seed(0))


def run(operation, packed):
    """Returns the output and the gradient of a weighted sum of it."""
    leaf = packed.clone().requires_grad_()
    output = operation(leaf)
    weights = torch.randn(output.shape, generator=torch.Generator().manual_seed(1)).to(output.dtype)
    return output.detach(), torch.autograd.grad(output, leaf, weights)[0]


def test_the_reference_is_the_papers_formula():
    packed = draw(1, 5, 2).double()
    query, key, value = packed[0].unbind(1)
    for h in range(2):
        for t in range(5):
            shares = torch.softmax(key[: t + 1, h] @ query[t, h] / 4, 0)
            torch.testing.assert_close(reference(packed)[0, t, h], shares @ value[: t + 1, h])


@pytest.mark.parametrize("form", [cpu, torchs])
@pytest.mark.parametrize(
    ("batch", "time", "heads", "size"),
    [
        *(
            (1, 1, 1, 16),
            (2, 2, 4, 16),
            (16, 3, 1, 16),
            (3, 21, 7, 16),
            (4, 32, 4, 16),
            (2, 83, 2, 32),
            (1, 128, 3, 64),
        ),
        *((1, 1, 1, 8), (3, 21, 7, 8), (8, 17, 4, 8), (2, 5, 3, 24), (1, 9, 9, 40)),
    ],
)
def test_the_fast_forms_are_the_reference_with_its_gradient(form, batch, time, heads, size):
    """Whole and broken groups of sixteen heads, one token and many, small heads and large ones."""
    packed = draw(batch, time, heads, size)
    for found, exact in zip(run(form.causal_attention, packed), run(reference, packed.double()), strict=True):
        assert (found - exact).abs().max() <= 2e-5 * exact.abs().max()


def test_large_scores_neither_overflow_nor_vanish():
    packed = draw(scale=100.0)
    for found, exact in zip(run(cpu.causal_attention, packed), run(reference, packed.double()), strict=True):
        assert (found - exact).abs().max() <= 1e-2 * exact.abs().max()
        assert found.isfinite().all()


def test_no_output_depends_on_a_later_token_or_on_what_lies_beside_not_even_by_rounding():
    before = draw()
    after = before.clone()
    after[:, 15:] *= 3
    after[1] += 1
    first, second = cpu.causal_attention(before), cpu.causal_attention(after)
    assert torch.equal(first[[0, 2], :15], second[[0, 2], :15])
    assert torch.equal(cpu.causal_attention(before[1:2]), first[1:2])
    assert (first[:, 15:] != second[:, 15:]).any(-1).all()


def test_threads_change_no_bit():
    packed, threads = draw(9), torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = run(cpu.causal_attention, packed)
        torch.set_num_threads(3)
        shared = run(cpu.causal_attention, packed)
    finally:
        torch.set_num_threads(threads)
    assert all(map(torch.equal, alone, shared))


def test_auto_is_fused_for_short_prompts_in_float32_and_torchs_else():
    for packed, form in (
        (draw(), cpu),
        (draw().double(), torchs),
        (draw(1, LONGEST_FUSED + 1, 1), torchs),
        (draw(size=8), cpu),
        (draw(size=12), torchs),
        (draw(1, 128, 1, 64), torchs),
    ):
        assert torch.equal(causal_attention(packed), form.causal_attention(packed))


def test_what_it_is_not_made_for_is_refused():
    with pytest.raises(ProbeError, match=r"given torch\.float64 on cpu; it needs float32 on the CPU"):
        cpu.causal_attention(draw().double())
    with pytest.raises(ProbeError, match="given heads of 12 numbers; it needs a multiple of 8"):
        cpu.causal_attention(draw(size=12))
    with pytest.raises(ProbeError, match="No kernel of attention is called 'flash'"):
        causal_attention(draw(), backend="flash")
