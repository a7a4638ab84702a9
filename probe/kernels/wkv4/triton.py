"""The WKV operation on GPUs: one fused Triton kernel forward and one backward, sums in registers.

The equations are those of `reference` (Peng et al., 2023, arXiv:2305.13048, eq. 16 and appendix D), in float32 whatever
the tensors' dtype, with exponents in base 2. A program walks through the tokens of one prompt for one block of
channels. The forward pass keeps the sums before every `SEGMENT` tokens; the backward pass takes the segments from last
to first: it runs through a segment noting the sums every few tokens in a scratch buffer, then goes back through it,
recomputing those few at a time. Sums over prompts (for the decay and the first weight) are partial sums, added up in a
fixed order: results repeat bit for bit.

Under ``TRITON_INTERPRET=1``, set before the import, the same kernels run on CPU tensors.
"""

# Triton has no types, and a kernel's arguments are pointers
# mypy: disable-error-code="import-untyped, untyped-decorator, no-untyped-def"

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

from probe.kernels.triton_parts import LOG2_E, dense, refuse_unfit, rows, steps
from probe.kernels.wkv4 import reference

SEGMENT = 32
# tokens unrolled together, so that their loads overlap; it divides SEGMENT
GROUP = 4
# a warp's worth of channels: a program is a chain of dependent steps, and only many programs hide its waiting
BLOCK = 32
LOWEST: tl.constexpr = tl.constexpr(reference.LOWEST)


def wkv4(key: Tensor, value: Tensor, decay: Tensor, first: Tensor) -> Tensor:
    """Runs the operation; see `probe.kernels.wkv4` for the arguments.

    Computes in float32 on float32, bfloat16 or float16 tensors; the output has the value's dtype, a gradient that of
    its tensor.

    Raises:
        ProbeError: for float64 tensors, or tensors that are not on a GPU (nor, interpreted, on the CPU).
    """
    tensors = (key, value, decay, first)
    refuse_unfit(list(tensors))
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors):
        out: Tensor = _WKV4.apply(*tensors)  # type: ignore[no-untyped-call]
        return out
    return _forward(*tensors, keep=False)[0]


class _WKV4(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, key: Tensor, value: Tensor, decay: Tensor, first: Tensor) -> Tensor:
        out, starts = _forward(key, value, decay, first, keep=True)
        ctx.save_for_backward(key, value, decay, first, starts)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_out: Tensor) -> tuple[Tensor, ...]:
        return _backward(d_out, *ctx.saved_tensors)


def _forward(key: Tensor, value: Tensor, decay: Tensor, first: Tensor, *, keep: bool) -> tuple[Tensor, Tensor | None]:
    """Returns the output and, where asked to, numerator, denominator and exponent before each segment but the first."""
    prompts, time, channels = key.shape
    out = torch.empty(value.shape, dtype=value.dtype, device=value.device)
    starts = None
    if keep:
        starts = torch.empty((prompts, (time - 1) // SEGMENT, 3, channels), dtype=torch.float32, device=key.device)
    key, value = dense(key), dense(value)
    with torch.cuda.device_of(key):  # type: ignore[no-untyped-call]
        _forward_kernel[(prompts * triton.cdiv(channels, BLOCK),)](
            key, value, dense(decay), dense(first), out, starts, *steps(key), *steps(value), time, channels,
            BLOCK=BLOCK, SEGMENT=SEGMENT, GROUP=GROUP, num_warps=1, enable_fp_fusion=True,
        )  # fmt: skip
    return out, starts


def _backward(
    d_out: Tensor, key: Tensor, value: Tensor, decay: Tensor, first: Tensor, starts: Tensor
) -> tuple[Tensor, ...]:
    """Returns the gradients of key, value, decay and first."""
    prompts, time, channels = key.shape
    blocks = triton.cdiv(channels, BLOCK)
    d_key, d_value = (torch.empty(x.shape, dtype=x.dtype, device=x.device) for x in (key, value))
    d_parameters = starts.new_empty(prompts, 2, channels)
    scratch = starts.new_empty(prompts * blocks, SEGMENT // GROUP, 3, BLOCK)
    key, value = dense(key), dense(value)
    with torch.cuda.device_of(key):  # type: ignore[no-untyped-call]
        _backward_kernel[(prompts * blocks,)](
            d_out.contiguous(), key, value, dense(decay), dense(first), starts, scratch, d_key, d_value, d_parameters,
            *steps(key), *steps(value), time, channels,
            BLOCK=BLOCK, SEGMENT=SEGMENT, GROUP=GROUP, num_warps=1, enable_fp_fusion=True,
        )  # fmt: skip
    d_decay, d_first = d_parameters.sum(0).unbind(0)
    return d_key, d_value, d_decay.to(decay.dtype), d_first.to(first.dtype)


@triton.jit
def _parameters(decay, first, c, channels):
    """Returns by how much an exponent falls a token, and what the token's own has more, both in base 2."""
    fall = tl.exp2(tl.load(decay + c, c < channels, other=0.0).to(tl.float32) * LOG2_E) * LOG2_E
    return fall, tl.load(first + c, c < channels, other=0.0).to(tl.float32) * LOG2_E


@triton.jit
def _weights(old, new):
    """Returns exp2 of both exponents, divided by that of the larger, and the larger."""
    top = tl.maximum(old, new)
    return tl.exp2(old - top), tl.exp2(new - top), top


@triton.jit
def _advance(numerator, denominator, top, key, value, fall):
    """Takes one more token into the sums, whose true size is theirs times exp2(top)."""
    before, now, top = _weights(top - fall, key)
    return before * numerator + now * value, before * denominator + now, top


@triton.jit
def _forward_kernel(
    key, value, decay, first, out, starts, key_prompt, key_time, value_prompt, value_time, time, channels,
    BLOCK: tl.constexpr, SEGMENT: tl.constexpr, GROUP: tl.constexpr,
):  # fmt: skip
    blocks = tl.cdiv(channels, BLOCK)
    prompt = (tl.program_id(0) // blocks).to(tl.int64)
    c = (tl.program_id(0) % blocks) * BLOCK + tl.arange(0, BLOCK)
    in_c = c < channels
    fall, bonus = _parameters(decay, first, c, channels)
    key += prompt * key_prompt
    value += prompt * value_prompt
    out += prompt * time * channels
    if starts is not None:
        starts += prompt * ((time - 1) // SEGMENT) * 3 * channels

    numerator = tl.zeros([BLOCK], tl.float32)
    denominator = tl.zeros([BLOCK], tl.float32)
    top = tl.full([BLOCK], LOWEST, tl.float32)
    start = 0
    # while, not range: triton 3.6 cannot interpret a range with a run-time bound under numpy 2.4
    while start < time:
        if starts is not None:  # noqa: SIM102 (settled when compiled, the next when run)
            if (start > 0) & (start % SEGMENT == 0):
                tl.store(starts + c, numerator, in_c)
                tl.store(starts + (channels + c), denominator, in_c)
                tl.store(starts + (2 * channels + c), top, in_c)
                starts += 3 * channels
        keys = rows(key, key_time, start, time, c, channels, GROUP)
        values = rows(value, value_time, start, time, c, channels, GROUP)
        for i in tl.static_range(GROUP):
            k = keys[i] * LOG2_E
            before, now, _ = _weights(top, k + bonus)
            mean = (before * numerator + now * values[i]) / (before * denominator + now)
            tl.store(out + ((start + i) * channels + c), mean, c < tl.where(start + i < time, channels, 0))
            numerator, denominator, top = _advance(numerator, denominator, top, k, values[i], fall)
        start += GROUP


@triton.jit
def _backward_kernel(
    d_out, key, value, decay, first, starts, scratch, d_key, d_value, d_parameters,
    key_prompt, key_time, value_prompt, value_time, time, channels,
    BLOCK: tl.constexpr, SEGMENT: tl.constexpr, GROUP: tl.constexpr,
):  # fmt: skip
    blocks = tl.cdiv(channels, BLOCK)
    prompt = (tl.program_id(0) // blocks).to(tl.int64)
    corner = tl.arange(0, BLOCK)
    c = (tl.program_id(0) % blocks) * BLOCK + corner
    in_c = c < channels
    fall, bonus = _parameters(decay, first, c, channels)
    key += prompt * key_prompt
    value += prompt * value_prompt
    d_out += prompt * time * channels
    d_key += prompt * time * channels
    d_value += prompt * time * channels
    starts += prompt * ((time - 1) // SEGMENT) * 3 * channels
    scratch += tl.program_id(0).to(tl.int64) * (SEGMENT // GROUP * 3 * BLOCK)

    # by the sums after a token, divided by exp2 of their exponent as they are
    d_numerator = tl.zeros([BLOCK], tl.float32)
    d_denominator = tl.zeros([BLOCK], tl.float32)
    sum_fall = tl.zeros([BLOCK], tl.float32)
    sum_first = tl.zeros([BLOCK], tl.float32)
    segment = (time - 1) // SEGMENT
    while segment >= 0:
        begin = segment * SEGMENT
        stop = tl.minimum(begin + SEGMENT, time)
        before_it = starts + (segment - 1).to(tl.int64) * 3 * channels
        known = c < tl.where(segment > 0, channels, 0)
        numerator = tl.load(before_it + c, known, other=0.0)
        denominator = tl.load(before_it + (channels + c), known, other=0.0)
        top = tl.load(before_it + (2 * channels + c), known, other=LOWEST)
        start = begin
        while start < stop:
            noted = scratch + ((start - begin) // GROUP * 3 * BLOCK + corner)
            tl.store(noted, numerator)
            tl.store(noted + BLOCK, denominator)
            tl.store(noted + 2 * BLOCK, top)
            keys = rows(key, key_time, start, time, c, channels, GROUP)
            values = rows(value, value_time, start, time, c, channels, GROUP)
            for i in tl.static_range(GROUP):
                numerator, denominator, top = _advance(numerator, denominator, top, keys[i] * LOG2_E, values[i], fall)
            start += GROUP
        tl.debug_barrier()
        while start > begin:
            start -= GROUP
            keys = rows(key, key_time, start, time, c, channels, GROUP)
            values = rows(value, value_time, start, time, c, channels, GROUP)
            d_outs = rows(d_out, channels, start, time, c, channels, GROUP)
            noted = scratch + ((start - begin) // GROUP * 3 * BLOCK + corner)
            numerators = (tl.load(noted),)
            denominators = (tl.load(noted + BLOCK),)
            tops = (tl.load(noted + 2 * BLOCK),)
            for i in tl.static_range(GROUP - 1):
                numerator, denominator, top = _advance(
                    numerators[i], denominators[i], tops[i], keys[i] * LOG2_E, values[i], fall
                )
                numerators = numerators + (numerator,)  # type: ignore[assignment]
                denominators = denominators + (denominator,)  # type: ignore[assignment]
                tops = tops + (top,)  # type: ignore[assignment]
            for i in tl.static_range(GROUP - 1, -1, -1):
                in_row = c < tl.where(start + i < time, channels, 0)
                row = (start + i) * channels + c
                k = keys[i] * LOG2_E
                # through the mean that is read
                before, now, _ = _weights(tops[i], k + bonus)
                total = before * denominators[i] + now
                mean = (before * numerators[i] + now * values[i]) / total
                by_sums = d_outs[i] / total
                d_v = by_sums * now
                d_k = d_v * (values[i] - mean)
                sum_first += d_k
                # through the sums that are handed on
                kept, added, _ = _weights(tops[i] - fall, k)
                d_v += added * d_numerator
                d_k += added * (d_numerator * values[i] + d_denominator)
                sum_fall -= kept * (d_numerator * numerators[i] + d_denominator * denominators[i])
                d_numerator = kept * d_numerator + by_sums * before
                d_denominator = kept * d_denominator - by_sums * before * mean
                tl.store(d_key + row, d_k, in_row)
                tl.store(d_value + row, d_v, in_row)
        tl.debug_barrier()
        segment -= 1
    d_parameters += prompt * 2 * channels
    # the fall is exp(decay) log2(e), and its gradient by natural exponents
    tl.store(d_parameters + c, sum_fall * fall * (1.0 / LOG2_E), in_c)
    tl.store(d_parameters + (channels + c), sum_first, in_c)
