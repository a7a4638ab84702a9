"""Causal softmax attention on CPUs for short prompts, fused: `LANES` prompts' heads side by side.

Products of matrices as small as a short prompt's scores spend most of their time on being called. Here each lane is a
head of a prompt, so that nothing is summed across lanes and no score of a later token is computed. Compiled by numba on
first use and cached. The forward pass keeps each token's largest score and its sum of weights, from which the backward
pass computes the weights again. Heads do not meet: results depend neither on threads nor on what lies beside.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from probe.errors import ProbeError
from probe.kernels.backends import refuse_all_but_float32
from probe.kernels.cpu_math import LOG2_E
from probe.kernels.lanes import (
    LANES,
    at_least,
    buffer,
    exp2,
    fma,
    load,
    spread,
    store,
    turn,
    turn_back,
    turn_half,
    turn_half_back,
)
from probe.kernels.threads import run_in_threads

# heads are read by sixteen numbers, or by eight where no more are left
MULTIPLE = LANES // 2
# so many sums are held in registers at a time
TOGETHER = 4


def causal_attention(packed: Tensor) -> Tensor:
    """Runs the attention; see `probe.kernels.causal_attention`.

    Raises:
        ProbeError: for a tensor that is not float32 on the CPU, or heads of another number of numbers.
    """
    refuse_all_but_float32(packed)
    if packed.shape[-1] % MULTIPLE:
        raise ProbeError(
            f"The cpu kernel was given heads of {packed.shape[-1]} numbers; it needs a multiple of {MULTIPLE}. "
            "Use another kernel."
        )
    result: Tensor = _CausalAttention.apply(packed)
    return result


class _CausalAttention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, given: Tensor) -> Tensor:
        packed = given.detach().contiguous()
        batch, time, _, heads, size = packed.shape
        groups = -(-batch * heads // LANES)
        out = packed.new_empty(batch, time, heads, size)
        kept = packed.new_empty(groups, time, 2, LANES)
        sizes = (batch, time, heads, size)
        arrays = [t.numpy().reshape(-1) for t in (packed, out, kept)]
        run_in_threads(lambda first, last: _forward(first, last, *sizes, *arrays), groups)
        if any(ctx.needs_input_grad):
            ctx.save_for_backward(packed, kept)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        packed, kept = ctx.saved_tensors
        batch, time, _, heads, size = packed.shape
        made = torch.empty_like(packed)
        sizes = (batch, time, heads, size)
        arrays = [t.numpy().reshape(-1) for t in (gradients[0].contiguous(), packed, kept, made)]
        run_in_threads(lambda first, last: _backward(first, last, *sizes, *arrays), len(kept))
        return made


# In what follows what is held of a group is [time, size, lane], and weights are [query, key, lane].


@numba.njit(inline="always")
def _places(group, batch, time, heads, size, parts, places):
    """Holds where each lane's head starts in an array of [batch, time, parts, head, size]; the last may repeat."""
    for lane in range(LANES):
        item = min(group * LANES + lane, batch * heads - 1)
        places[lane] = (item // heads) * time * parts * heads * size + (item % heads) * size


@numba.njit(inline="always")
def _hold(array, places, shift, stride, time, size, held):
    """Holds a group's rows, which lie a stride apart from a shift on."""
    for t in range(time):
        for d in range(0, size - size % LANES, LANES):
            turn(array, places, shift + t * stride + d, held, (t * size + d) * LANES)
        if size % LANES:
            last = size - size % LANES
            turn_half(array, places, shift + t * stride + last, held, (t * size + last) * LANES)


@numba.njit(inline="always")
def _release(held, array, places, shift, stride, time, size):
    """Writes a group's rows, which lie a stride apart from a shift on."""
    for t in range(time):
        for d in range(0, size - size % LANES, LANES):
            turn_back(held, (t * size + d) * LANES, array, places, shift + t * stride + d)
        if size % LANES:
            last = size - size % LANES
            turn_half_back(held, (t * size + last) * LANES, array, places, shift + t * stride + last)


@numba.njit(inline="always")
def _dots(row, first, size, left, right, into, place):
    """Holds a row's products with each of `TOGETHER` rows."""
    none, step = spread(np.float32(0)), size * LANES
    one, two, three, four = none, none, none, none
    at = first * step
    for d in range(0, step, LANES):
        factor = load(left, row + d)
        one = fma(factor, load(right, at + d), one)
        two = fma(factor, load(right, at + step + d), two)
        three = fma(factor, load(right, at + 2 * step + d), three)
        four = fma(factor, load(right, at + 3 * step + d), four)
    store(into, place, one)
    store(into, place + LANES, two)
    store(into, place + 2 * LANES, three)
    store(into, place + 3 * LANES, four)


@numba.njit(inline="always")
def _mix(weights, place, stride, first, last, size, rows, factor, into, row):
    """Writes the weighted sum of the rows from one to before another, times a factor."""
    none, step = spread(np.float32(0)), size * LANES
    for d in range(0, step, TOGETHER * LANES):
        one, two, three, four = none, none, none, none
        for s in range(first, last):
            weight, at = load(weights, place + s * stride), s * step + d
            one = fma(weight, load(rows, at), one)
            two = fma(weight, load(rows, at + LANES), two)
            three = fma(weight, load(rows, at + 2 * LANES), three)
            four = fma(weight, load(rows, at + 3 * LANES), four)
        store(into, row + d, one * factor)
        store(into, row + d + LANES, two * factor)
        store(into, row + d + 2 * LANES, three * factor)
        store(into, row + d + 3 * LANES, four * factor)


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _forward(first, last, batch, time, heads, size, packed, out, kept):
    filled, step, one = time + TOGETHER, size * LANES, np.float32(1)
    stride, scale = 3 * heads * size, spread(LOG2_E / np.float32(math.sqrt(size)))
    query, key, value = buffer(time * step), buffer(filled * step), buffer(time * step)
    written, weights = buffer(time * step), buffer(filled * LANES)
    places, back = np.empty(LANES, np.intp), np.empty(LANES, np.intp)
    key[:] = np.float32(0)
    for group in range(first, last):
        _places(group, batch, time, heads, size, 3, places)
        _places(group, batch, time, heads, size, 1, back)
        _hold(packed, places, 0, stride, time, size, query)
        _hold(packed, places, heads * size, stride, time, size, key)
        _hold(packed, places, 2 * heads * size, stride, time, size, value)
        for t in range(time):
            for s in range(0, t + 1, TOGETHER):
                _dots(t * step, s, size, query, key, weights, s * LANES)
            top = load(weights, 0)
            for s in range(1, t + 1):
                top = at_least(load(weights, s * LANES), top)
            whole = spread(np.float32(0))
            for s in range(t + 1):
                share = exp2((load(weights, s * LANES) - top) * scale)
                store(weights, s * LANES, share)
                whole = whole + share
            at = (group * time + t) * 2 * LANES
            store(kept, at, top)
            store(kept, at + LANES, whole)
            _mix(weights, 0, LANES, 0, t + 1, size, value, spread(one) / whole, written, t * step)
        _release(written, out, back, 0, heads * size, time, size)


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _backward(first, last, batch, time, heads, size, d_out, packed, kept, made):
    filled, step, one = time + TOGETHER, size * LANES, np.float32(1)
    root = one / np.float32(math.sqrt(size))
    stride, scale = 3 * heads * size, spread(LOG2_E * root)
    query, key, value = buffer(time * step), buffer(filled * step), buffer(filled * step)
    back, written = buffer(time * step), buffer(time * step)
    shares, slopes = buffer(time * filled * LANES), buffer(time * filled * LANES)
    places, outs = np.empty(LANES, np.intp), np.empty(LANES, np.intp)
    line = filled * LANES
    key[:] = np.float32(0)
    value[:] = np.float32(0)
    for group in range(first, last):
        _places(group, batch, time, heads, size, 3, places)
        _places(group, batch, time, heads, size, 1, outs)
        _hold(packed, places, 0, stride, time, size, query)
        _hold(packed, places, heads * size, stride, time, size, key)
        _hold(packed, places, 2 * heads * size, stride, time, size, value)
        _hold(d_out, outs, 0, heads * size, time, size, back)
        for t in range(time):
            row, at = t * line, (group * time + t) * 2 * LANES
            for s in range(0, t + 1, TOGETHER):
                _dots(t * step, s, size, query, key, shares, row + s * LANES)
                _dots(t * step, s, size, back, value, slopes, row + s * LANES)
            top, whole, mean = load(kept, at), spread(one) / load(kept, at + LANES), spread(np.float32(0))
            for s in range(row, row + (t + 1) * LANES, LANES):
                share = exp2((load(shares, s) - top) * scale) * whole
                store(shares, s, share)
                mean = fma(share, load(slopes, s), mean)
            for s in range(row, row + (t + 1) * LANES, LANES):
                store(slopes, s, load(shares, s) * (load(slopes, s) - mean))
            _mix(slopes, row, LANES, 0, t + 1, size, key, spread(root), written, t * step)
        _release(written, made, places, 0, stride, time, size)
        for s in range(time):
            _mix(slopes, s * LANES, line, s, time, size, query, spread(root), written, s * step)
        _release(written, made, places, heads * size, stride, time, size)
        for s in range(time):
            _mix(shares, s * LANES, line, s, time, size, back, spread(one), written, s * step)
        _release(written, made, places, 2 * heads * size, stride, time, size)
