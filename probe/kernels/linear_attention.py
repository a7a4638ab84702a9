"""Linear attention whose state decays by one number a head, on CPUs: Mamba-2's state space is such a one.

    S_t = w_t S_{t-1} + v_t k_t^T        y_t = S_t q_t        S_0 = 0

Within a chunk of tokens y_t is the sum over s <= t of (w_{s+1} ... w_t) (q_t . k_s) v_s, and what came before enters by
the state at the chunk's start (Dao and Gu, 2024, arXiv:2405.21060, section 6): products of matrices, of which those of
pairs of tokens leave out what is later. Compiled by numba on first use and cached. The decay from one token to another
is a product of factors, not a difference of sums of logarithms, so that a factor may be 0 and none loses its digits
to those before it. The backward pass computes a chunk's weights again, and keeps what the loss changes by with the
decay from every token to one while it goes back. An item of work is a prompt and the heads that share their keys; it
writes its own part of every array: results do not depend on the number of threads.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from probe.kernels.backends import refuse_all_but_float32
from probe.kernels.lanes import LANES, buffer, fma, load, spread, spread_from, store, total
from probe.kernels.matrix_state import widened
from probe.kernels.products import (
    TOGETHER,
    across,
    dots,
    earlier,
    hold_rows,
    later,
    multiply,
    pair,
    release_rows,
    scale_rows,
    turn_rows,
)
from probe.kernels.threads import run_in_threads

ALONE = 128
"""So many tokens are one chunk: their pairs cost less than the states of two."""
CHUNK = 64


def linear_attention(
    query: Float[Tensor, "batch time shared key"],
    key: Float[Tensor, "batch time shared key"],
    value: Float[Tensor, "batch time head value"],
    decay: Float[Tensor, "batch time head"] | None = None,
) -> Float[Tensor, "batch time head value"]:
    """Returns y at every token; differentiable once in every tensor.

    Args:
        query: q, with one head for all or as many as the values have; `key`, k, alike.
        decay: w; 1 where none is given.

    Raises:
        ProbeError: for tensors that are not float32 on the CPU.
    """
    if decay is None:
        decay = value.new_ones(value.shape[:-1])
    refuse_all_but_float32(query, key, value, decay)
    result: Tensor = _LinearAttention.apply(widened(query), widened(key), widened(value), decay)
    return result[..., : value.shape[-1]] if value.shape[-1] % LANES else result


class _LinearAttention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *tensors: Tensor) -> Tensor:
        query, key, value, decay = (tensor.detach().contiguous() for tensor in tensors)
        batch, time, heads, values = value.shape
        shared, keys = key.shape[2:]
        wanted = any(ctx.needs_input_grad)
        length, chunks = _chunks(time)
        out = torch.empty_like(value)
        starts = value.new_empty(batch, heads, chunks - 1 if wanted else 0, keys, values)
        sizes = (time, length, heads, shared, keys, values)
        arrays = [t.numpy().reshape(-1) for t in (query, key, value, decay, out, starts)]
        run_in_threads(lambda first, last: _forward(first, last, *sizes, *arrays), batch * shared)
        if wanted:
            ctx.save_for_backward(query, key, value, decay, starts)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        inputs = ctx.saved_tensors
        batch, time, heads, values = inputs[2].shape
        shared, keys = inputs[1].shape[2:]
        made = tuple(torch.empty_like(one) for one in inputs[:4])
        sizes = (time, _chunks(time)[0], heads, shared, keys, values)
        arrays = [t.numpy().reshape(-1) for t in (gradients[0].contiguous(), *inputs, *made)]
        run_in_threads(lambda first, last: _backward(first, last, *sizes, *arrays), batch * shared)
        return made


def _chunks(time: int) -> tuple[int, int]:
    """Returns the length of a chunk, all but the last of which are equal, and the number of chunks."""
    number = 1 if time <= ALONE else -(-time // CHUNK)
    length = -(-time // number)
    return length, -(-time // length)


@numba.njit(inline="always")
def _weigh(decay, at, stride, rows, size, pairs, lasting, weights, reach):
    """Holds the decay from every token to every later one, what pairs weigh under it, and the decay since the start."""
    none, reached = spread(np.float32(0)), np.float32(1)
    for t in range(rows):
        w, row = decay[at + t * stride], t * size
        reached *= w
        reach[t] = reached
        for s in range(0, t + 1, LANES):
            # nothing is known yet of the lanes that a row begins
            known = t > s
            store(lasting, row + s, load(lasting, row - size + s) * spread(w) if known else none)
        lasting[row + t] = np.float32(1)
        for s in range(0, t + 1, LANES):
            store(weights, row + s, load(lasting, row + s) * load(pairs, row + s))
    # rows up to a whole number of those summed together
    for t in range(rows, -(-rows // TOGETHER) * TOGETHER):
        for s in range(0, size, LANES):
            store(weights, t * size + s, none)


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _forward(first, last, time, length, heads, shared, keys, values, query, key, value, decay, out, starts):
    together, size, chunks = heads // shared, -(-length // LANES) * LANES, -(-time // length)
    q, k, turned = buffer(size * keys), buffer(size * keys), buffer(size * keys)
    v, y, scaled = buffer(size * values), buffer(size * values), buffer(size * values)
    pairs, lasting, weights = buffer(size * size), buffer(size * size), buffer(size * size)
    states, reach, places = buffer(together * keys * values), buffer(size), np.empty(LANES, np.intp)
    keep = len(starts) > 0
    for held in (q, k, v):
        held[:] = np.float32(0)
    for item in range(first, last):
        b, group = item // shared, item % shared
        states[:] = np.float32(0)
        for chunk in range(chunks):
            begin = b * time + chunk * length
            rows = min(length, time - chunk * length)
            if rows < length:
                for held in (q, k, v):
                    held[:] = np.float32(0)
            hold_rows(query, (begin * shared + group) * keys, shared * keys, keys, rows, q)
            hold_rows(key, (begin * shared + group) * keys, shared * keys, keys, rows, k)
            turn_rows(k, keys, size, places, turned)
            pair(q, turned, keys, rows, size, pairs)
            for place in range(together):
                h, state = group * together + place, states[place * keys * values : (place + 1) * keys * values]
                hold_rows(value, (begin * heads + h) * values, heads * values, values, rows, v)
                _weigh(decay, begin * heads + h, heads, rows, size, pairs, lasting, weights, reach)
                if chunk > 0:
                    multiply(q, keys, 1, rows, keys, state, values, y, False)
                    scale_rows(y, values, rows, reach, y)
                earlier(weights, size, rows, v, values, y, chunk > 0)
                release_rows(y, values, rows, out, (begin * heads + h) * values, heads * values)
                if chunk < chunks - 1:
                    scale_rows(v, values, rows, lasting[(rows - 1) * size :], scaled)
                    for n in range(0, keys * values, LANES):
                        store(state, n, load(state, n) * spread_from(reach, rows - 1))
                    multiply(k, 1, keys, keys, rows, scaled, values, state, True)
                    if keep:
                        where = ((b * heads + h) * (chunks - 1) + chunk) * keys * values
                        for n in range(0, keys * values, LANES):
                            store(starts, where + n, load(state, n))


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _backward(
    first,
    last,
    time,
    length,
    heads,
    shared,
    keys,
    values,
    d_out,
    query,
    key,
    value,
    decay,
    starts,
    d_query,
    d_key,
    d_value,
    d_decay,
):
    together, size, chunks = heads // shared, -(-length // LANES) * LANES, -(-time // length)
    none, one, whole = spread(np.float32(0)), np.float32(1), keys * values
    q, k, d_q, d_k = buffer(size * keys), buffer(size * keys), buffer(size * keys), buffer(size * keys)
    v, d_y, d_v, made = buffer(size * values), buffer(size * values), buffer(size * values), buffer(size * values)
    turned, turned_v, turned_state = buffer(size * keys), buffer(size * values), buffer(whole)
    pairs, lasting, weights = buffer(size * size), buffer(size * size), buffer(size * size)
    d_pairs, d_weights = buffer(size * size), buffer(size * size)
    carried, reach = buffer(together * whole), buffer(size)
    since, d_reach, places = buffer(size), buffer(size), np.empty(LANES, np.intp)
    for held in (q, k, v, d_y):
        held[:] = np.float32(0)
    for item in range(first, last):
        b, group = item // shared, item % shared
        carried[:] = np.float32(0)
        for chunk in range(chunks - 1, -1, -1):
            begin = b * time + chunk * length
            rows = min(length, time - chunk * length)
            if rows < length:
                for held in (q, k, v, d_y):
                    held[:] = np.float32(0)
            of_group, of_row = (begin * shared + group) * keys, shared * keys
            hold_rows(query, of_group, of_row, keys, rows, q)
            hold_rows(key, of_group, of_row, keys, rows, k)
            turn_rows(k, keys, size, places, turned)
            pair(q, turned, keys, rows, size, pairs)
            d_pairs[:] = np.float32(0)
            d_q[:] = np.float32(0)
            d_k[:] = np.float32(0)
            for place in range(together):
                h, carry = group * together + place, carried[place * whole : (place + 1) * whole]
                at = (begin * heads + h) * values
                hold_rows(value, at, heads * values, values, rows, v)
                hold_rows(d_out, at, heads * values, values, rows, d_y)
                turn_rows(v, values, size, places, turned_v)
                _weigh(decay, begin * heads + h, heads, rows, size, pairs, lasting, weights, reach)
                pair(d_y, turned_v, values, rows, size, d_weights)
                later(weights, size, rows, d_y, values, d_v, False)
                lasts = lasting[(rows - 1) * size :]
                since[:] = np.float32(0)
                d_reach[:] = np.float32(0)
                if chunk < chunks - 1:
                    # v_s k_s^T enters the chunk's last state
                    multiply(k, keys, 1, rows, keys, carry, values, made, False)
                    dots(v, made, values, rows, since)
                    scale_rows(made, values, rows, lasts, made)
                    for n in range(0, rows * values, LANES):
                        store(d_v, n, load(d_v, n) + load(made, n))
                    turn_rows(carry, values, keys, places, turned_state)
                    scale_rows(v, values, rows, lasts, made)
                    across(made, values, rows, turned_state, keys, d_k)
                if chunk > 0:
                    # the chunk's first state is read, and enters its last one
                    where = ((b * heads + h) * (chunks - 1) + chunk - 1) * whole
                    start = starts[where : where + whole]
                    multiply(q, keys, 1, rows, keys, start, values, made, False)
                    dots(d_y, made, values, rows, d_reach)
                    turn_rows(start, values, keys, places, turned_state)
                    scale_rows(d_y, values, rows, reach, made)
                    across(made, values, rows, turned_state, keys, d_q)
                    sums = none
                    for n in range(0, whole, LANES):
                        sums = fma(load(carry, n), load(start, n), sums)
                        store(carry, n, load(carry, n) * spread_from(reach, rows - 1))
                    d_reach[rows - 1] += total(sums)
                    multiply(q, 1, keys, keys, rows, made, values, carry, True)
                before, following = np.float32(0), one
                for t in range(rows - 1, -1, -1):
                    row, sums = t * size, none
                    for s in range(0, t + 1, LANES):
                        d_weight = load(d_weights, row + s)
                        store(d_pairs, row + s, fma(d_weight, load(lasting, row + s), load(d_pairs, row + s)))
                        d_decays = fma(d_weight, load(pairs, row + s), load(since, s) * spread(following))
                        store(since, s, d_decays)
                        if s < t:
                            sums = fma(d_decays, load(lasting, row - size + s), sums)
                    before = before * following + d_reach[t]
                    following = decay[(begin + t) * heads + h]
                    d_decay[(begin + t) * heads + h] = total(sums) + before * (reach[t - 1] if t > 0 else one)
                release_rows(d_v, values, rows, d_value, at, heads * values)
            earlier(d_pairs, size, rows, k, keys, d_q, True)
            later(d_pairs, size, rows, q, keys, d_k, True)
            release_rows(d_q, keys, rows, d_query, of_group, of_row)
            release_rows(d_k, keys, rows, d_key, of_group, of_row)
