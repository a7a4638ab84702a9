"""States that are matrices and read before they are written, on CPUs: one fused pass over time that delta rules share.

    S_t = S_{t-1} diag(w_t) + (S_{t-1} a_t) b_t^T + v_t k_t^T        y_t = S_t q_t        S_0 = 0

is the state of RWKV-7 (Peng et al., 2025, arXiv:2503.14456, section 4.1), of the gated delta rule (Yang, Kautz and
Hatamizadeh, 2024, arXiv:2412.06464, section 3.1) where w is one number, a = k and b = -beta w k. Compiled by numba on
first use and cached. Going forward `LANES` values lie side by side, each of which has a recurrence of its own; going
back `LANES` keys do, so that the gradients of all that has keys are sums of lanes. The forward pass keeps the states at
the start of every segment, and the backward pass recomputes one segment at a time. An item of work is a prompt and a
head, which writes its own part of every array: results do not depend on the number of threads.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from probe.kernels.backends import refuse_all_but_float32
from probe.kernels.lanes import LANES, buffer, fma, load, spread, spread_from, store, total, totals
from probe.kernels.threads import run_in_threads

SEGMENT = 16
# between the states of two steps: a multiple of 4 KiB apart, a processor takes one's load for the other's store
APART = 512
# numbers of a head's state that are gone through together
AT_ONCE = 4096


def matrix_state(
    query: Float[Tensor, "batch time head key"],
    key: Float[Tensor, "batch time head key"],
    value: Float[Tensor, "batch time head value"],
    decay: Float[Tensor, "batch time head *key"] | None,
    ask: Float[Tensor, "batch time head key"],
    give: Float[Tensor, "batch time head key"],
) -> Float[Tensor, "batch time head value"]:
    """Returns y at every token; differentiable once in every tensor.

    Args:
        query: q; `key` is k, `value` is v.
        decay: w, a number a head or a number a key; 1 where none is given.
        ask: a, under what the state is read before it is written.
        give: b, under what that is added.

    Raises:
        ProbeError: for tensors that are not float32 on the CPU.
    """
    refuse_all_but_float32(*(tensor for tensor in (query, key, value, decay, ask, give) if tensor is not None))
    if decay is None:
        decay = value.new_ones(value.shape[:-1])
    elif decay.dim() == value.dim():
        decay = widened(decay)
    query, key, ask, give = (widened(tensor) for tensor in (query, key, ask, give))
    result: Tensor = _MatrixState.apply(query, key, widened(value), decay, ask, give)
    return result[..., : value.shape[-1]] if value.shape[-1] % LANES else result


def widened(tensor: Tensor) -> Tensor:
    """Returns the tensor with zeros appended up to a whole number of lanes, which read and write nothing."""
    missing = -tensor.shape[-1] % LANES
    return F.pad(tensor, (0, missing)) if missing else tensor


class _MatrixState(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *tensors: Tensor) -> Tensor:
        query, key, value, decay, ask, give = (tensor.detach().contiguous() for tensor in tensors)
        batch, time, heads, values = value.shape
        keys, wanted = key.shape[3], any(ctx.needs_input_grad)
        out, found = torch.empty_like(value), torch.empty_like(value) if wanted else value.new_empty(0)
        starts = value.new_empty(batch, heads, -(-time // SEGMENT) if wanted else 0, values, keys)
        sizes = (time, heads, keys, values, decay.dim() == value.dim())
        arrays = [t.numpy().reshape(-1) for t in (query, key, value, decay, ask, give, out, found, starts)]
        run_in_threads(lambda first, last: _forward(first, last, *sizes, *arrays), batch * heads)
        if wanted:
            ctx.save_for_backward(query, key, value, decay, ask, give, found, starts)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, decay, ask, give, found, starts = ctx.saved_tensors
        batch, time, heads, values = value.shape
        keys, inputs = key.shape[3], (query, key, value, decay, ask, give)
        made = tuple(torch.empty_like(one) for one in inputs)
        # the first step finds nothing to decay or to read
        for one in made[3:5]:
            one[:, :1] = 0
        sizes = (time, heads, keys, values, decay.dim() == value.dim())
        read = (gradients[0].contiguous(), *inputs, found, starts)
        arrays = [t.numpy().reshape(-1) for t in (*read, *made)]
        run_in_threads(lambda first, last: _backward(first, last, *sizes, *arrays), batch * heads)
        return made


# In what follows `row` is where a token's numbers start in an array of [batch, time, head, key], `place` in one of
# [batch, time, head, value], and `of_head` in one of [batch, time, head].


@numba.njit(inline="always")
def _hold(by_key, of_head, row, keys, decay, rates):
    """Holds w, a number a key."""
    for n in range(0, keys, LANES):
        store(rates, n, load(decay, row + n) if by_key else spread_from(decay, of_head))


@numba.njit(inline="always")
def _found(keys, row, ask, states, state):
    """Returns S a of the lanes' values; four sums take turns, since each addition waits for the one before."""
    none = spread(np.float32(0))
    first, second, third, fourth = none, none, none, none
    for n in range(0, keys, 4):
        at = state + n * LANES
        first = fma(load(states, at), spread_from(ask, row + n), first)
        second = fma(load(states, at + LANES), spread_from(ask, row + n + 1), second)
        third = fma(load(states, at + 2 * LANES), spread_from(ask, row + n + 2), third)
        fourth = fma(load(states, at + 3 * LANES), spread_from(ask, row + n + 3), fourth)
    return (first + second) + (third + fourth)


@numba.njit(inline="always")
def _step(n, value, found, row, rates, key, query, give, states, state, y):
    """Goes one step of the lanes' values under one key, and returns y with what is read there."""
    at = state + n * LANES
    now = fma(found, spread_from(give, row + n), load(states, at) * spread_from(rates, n))
    now = fma(value, spread_from(key, row + n), now)
    store(states, at, now)
    return fma(now, spread_from(query, row + n), y)


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _forward(first, last, time, heads, keys, values, by_key, query, key, value, decay, ask, give, out, found, starts):
    keep, kept = len(starts) > 0, len(found) > 0
    segments, size = (time + SEGMENT - 1) // SEGMENT, keys * LANES
    # lanes of a head take turns at every step, as many as the first-level cache has room for
    parts = values // LANES
    turns = max(1, min(parts, AT_ONCE // size))
    states, rates, none = buffer(turns * size), buffer(keys), spread(np.float32(0))
    for item in range(first, last):
        b, h = item // heads, item % heads
        for begin in range(0, parts, turns):
            states[:] = np.float32(0)
            for t in range(time):
                of_head = (b * time + t) * heads + h
                row = of_head * keys
                for part in range(begin, min(begin + turns, parts)):
                    state, place = (part - begin) * size, of_head * values + part * LANES
                    if keep and t % SEGMENT == 0:
                        where = ((b * heads + h) * segments + t // SEGMENT) * values * keys + part * size
                        for n in range(0, size, LANES):
                            store(starts, where + n, load(states, state + n))
                    _hold(by_key, of_head, row, keys, decay, rates)
                    value_e, y, z = load(value, place), none, none
                    found_e = _found(keys, row, ask, states, state)
                    if kept:
                        store(found, place, found_e)
                    for n in range(0, keys, 2):
                        y = _step(n, value_e, found_e, row, rates, key, query, give, states, state, y)
                        z = _step(n + 1, value_e, found_e, row, rates, key, query, give, states, state, z)
                    store(out, place, y + z)


@numba.njit(inline="always")
def _enter(keys, values, where, starts, held):
    """Holds a segment's first state as [value, key], where the forward pass kept it as [lanes, key, lane]."""
    for e in range(0, values, LANES):
        for lane in range(LANES):
            for n in range(keys):
                held[(e + lane) * keys + n] = starts[where + e * keys + n * LANES + lane]


@numba.njit(inline="always")
def _write(keys, values, row, place, rates, key, value, give, found, held, before, after):
    """Goes from S_{t-1}, at `before` of what is held, to S_t, at `after`."""
    for n in range(0, keys, LANES):
        w_n, k_n, b_n = load(rates, n), load(key, row + n), load(give, row + n)
        for v in range(values):
            at = v * keys + n
            state = fma(spread_from(value, place + v), k_n, load(held, before + at) * w_n)
            store(held, after + at, fma(spread_from(found, place + v), b_n, state))


@numba.njit(inline="always")
def _collect(sums, v, n, product, factor):
    """Adds lanes of a value's sum over keys."""
    store(sums, v * LANES, product * factor if n == 0 else fma(product, factor, load(sums, v * LANES)))


@numba.njit(inline="always")
def _gather(values, sums, into, place):
    """Writes the sums of lanes that are held, a value each."""
    for v in range(0, values, LANES):
        store(into, place + v, totals(sums, v * LANES))


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _backward(
    first,
    last,
    time,
    heads,
    keys,
    values,
    by_key,
    d_out,
    query,
    key,
    value,
    decay,
    ask,
    give,
    found,
    starts,
    d_query,
    d_key,
    d_value,
    d_decay,
    d_ask,
    d_give,
):
    none, size = spread(np.float32(0)), keys * values
    segments, stride = (time + SEGMENT - 1) // SEGMENT, size + APART
    held, carried, rates = buffer((SEGMENT + 1) * stride), buffer(size), buffer(keys)
    sums, erased, d_found = buffer(values * LANES), buffer(values * LANES), buffer(values)
    for item in range(first, last):
        b, h = item // heads, item % heads
        carried[:] = np.float32(0)
        d_found[:] = np.float32(0)
        for segment in range(segments - 1, -1, -1):
            begin = segment * SEGMENT
            length = min(SEGMENT, time - begin)
            _enter(keys, values, ((b * heads + h) * segments + segment) * size, starts, held)
            for i in range(length):
                of_head = (b * time + begin + i) * heads + h
                row, place = of_head * keys, of_head * values
                _hold(by_key, of_head, row, keys, decay, rates)
                at = i * stride
                _write(keys, values, row, place, rates, key, value, give, found, held, at, at + stride)
            for i in range(length - 1, -1, -1):
                of_head, after = (b * time + begin + i) * heads + h, (i + 1) * stride
                row, place = of_head * keys, of_head * values
                # what is carried is dL/dS_{t+1}; nothing comes after the last step
                later = begin + i + 1 < time
                of_next = of_head + heads if later else of_head
                next_row = of_next * keys
                _hold(by_key, of_next, next_row, keys, decay, rates)
                d_head = none
                for n in range(0, keys, LANES):
                    w_n, q_n, k_n = load(rates, n), load(query, row + n), load(key, row + n)
                    a_n, b_n = load(ask, next_row + n), load(give, row + n)
                    d_w, d_q, d_k, d_a, d_b = none, none, none, none, none
                    for v in range(values):
                        at = v * keys + n
                        state, d_state = load(held, after + at), load(carried, at)
                        d_p, d_y = spread_from(d_found, v), spread_from(d_out, place + v)
                        d_w = fma(d_state, state, d_w)
                        d_a = fma(d_p, state, d_a)
                        d_q = fma(d_y, state, d_q)
                        store(carried, at, fma(d_y, q_n, fma(d_p, a_n, d_state * w_n)))
                    for v in range(values):
                        d_state = load(carried, v * keys + n)
                        d_k = fma(spread_from(value, place + v), d_state, d_k)
                        d_b = fma(spread_from(found, place + v), d_state, d_b)
                        _collect(sums, v, n, d_state, k_n)
                        _collect(erased, v, n, d_state, b_n)
                    store(d_query, row + n, d_q)
                    store(d_key, row + n, d_k)
                    store(d_give, row + n, d_b)
                    if later:
                        store(d_ask, next_row + n, d_a)
                        if by_key:
                            store(d_decay, next_row + n, d_w)
                    d_head = d_head + d_w
                if later and not by_key:
                    d_decay[of_next] = total(d_head)
                _gather(values, sums, d_value, place)
                _gather(values, erased, d_found, 0)
