"""Linear attention whose state decays by one number a head, on CPUs: that of Mamba-2, and of DeltaNet's rivals.

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
from probe.kernels.lanes import LANES, buffer, fma, load, spread, spread_from, store, total, turn
from probe.kernels.matrix_state import widened
from probe.kernels.threads import run_in_threads

ALONE = 128
"""So many tokens are one chunk: their pairs cost less than the states of two."""
CHUNK = 64
# rows of a product that are summed together, four times the lanes' numbers in registers
TOGETHER = 4


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


# In what follows what is held of a chunk is [token, number], with zeros up to a whole number of lanes of tokens, `size`
# of them; what is turned is [lanes of rows, number, lane]; what is held of pairs is [later token, earlier token].


@numba.njit(inline="always")
def _hold(array, at, stride, width, rows, held):
    """Holds a chunk's rows, which lie a stride apart."""
    for t in range(rows):
        for n in range(0, width, LANES):
            store(held, t * width + n, load(array, at + t * stride + n))


@numba.njit(inline="always")
def _release(held, width, rows, array, at, stride):
    """Writes a chunk's rows, which lie a stride apart."""
    for t in range(rows):
        for n in range(0, width, LANES):
            store(array, at + t * stride + n, load(held, t * width + n))


@numba.njit(inline="always")
def _turn(held, width, count, places, turned):
    """Turns as many rows, so that what lies side by side is one number of sixteen of them."""
    for row in range(0, count, LANES):
        for lane in range(LANES):
            places[lane] = (row + lane) * width
        for n in range(0, width, LANES):
            turn(held, places, n, turned, (row * width) + n * LANES)


@numba.njit(inline="always")
def _sums(weights, at, across, down, first, last, rows, where, stride):
    """Returns the sums of lanes of rows, from one to before another, under four weights each."""
    none = spread(np.float32(0))
    one, two, three, four = none, none, none, none
    for i in range(first, last):
        row, own = load(rows, where + i * stride), at + i * down
        one = fma(spread_from(weights, own), row, one)
        two = fma(spread_from(weights, own + across), row, two)
        three = fma(spread_from(weights, own + 2 * across), row, three)
        four = fma(spread_from(weights, own + 3 * across), row, four)
    return one, two, three, four


@numba.njit(inline="always")
def _put(sums, into, place, stride, adds):
    """Writes four sums, or adds them to what is there, a stride apart."""
    one, two, three, four = sums
    if adds:
        one, two = one + load(into, place), two + load(into, place + stride)
        three, four = three + load(into, place + 2 * stride), four + load(into, place + 3 * stride)
    store(into, place, one)
    store(into, place + stride, two)
    store(into, place + 2 * stride, three)
    store(into, place + 3 * stride, four)


@numba.njit(inline="always")
def _multiply(left, across, down, count, terms, rows, width, into, adds):
    """Writes, or adds, the product of a matrix, whose rows and columns lie so far apart, and rows of a width."""
    for row in range(0, count, TOGETHER):
        for n in range(0, width, LANES):
            sums = _sums(left, row * across, across, down, 0, terms, rows, n, width)
            _put(sums, into, row * width + n, width, adds)


@numba.njit(inline="always")
def _across(left, width, rows, turned, count, into):
    """Adds the products of every row with as many rows that are turned."""
    for t in range(0, rows, TOGETHER):
        for n in range(0, count, LANES):
            sums = _sums(left, t * width, width, 1, 0, width, turned, n * width, LANES)
            _put(sums, into, t * count + n, count, True)


@numba.njit(inline="always")
def _pair(left, turned, width, rows, size, into):
    """Writes the products of every row with those up to its own, and some beyond up to a whole number of lanes."""
    for t in range(0, rows, TOGETHER):
        for s in range(0, t + TOGETHER, LANES):
            sums = _sums(left, t * width, width, 1, 0, width, turned, s * width, LANES)
            _put(sums, into, t * size + s, size, False)


@numba.njit(inline="always")
def _earlier(weights, size, rows, held, width, into, adds):
    """Writes, or adds, each token's sum of the rows up to its own, under its weights."""
    for t in range(0, rows, TOGETHER):
        for n in range(0, width, LANES):
            one, two, three, four = _sums(weights, t * size, size, 1, 0, t + 1, held, n, width)
            at, row = t * size + t + 1, load(held, (t + 1) * width + n)
            two = fma(spread_from(weights, at + size), row, two)
            three = fma(spread_from(weights, at + 2 * size), row, three)
            four = fma(spread_from(weights, at + 3 * size), row, four)
            row = load(held, (t + 2) * width + n)
            three = fma(spread_from(weights, at + 2 * size + 1), row, three)
            four = fma(spread_from(weights, at + 3 * size + 1), row, four)
            four = fma(spread_from(weights, at + 3 * size + 2), load(held, (t + 3) * width + n), four)
            _put((one, two, three, four), into, t * width + n, width, adds)


@numba.njit(inline="always")
def _later(weights, size, rows, held, width, into, adds):
    """Writes, or adds, each token's sum of the rows from its own on, under their weights for it."""
    for s in range(0, rows, TOGETHER):
        for n in range(0, width, LANES):
            one, two, three, four = _sums(weights, s, 1, size, s + 3, rows, held, n, width)
            at, row = s * size + s, load(held, s * width + n)
            one = fma(spread_from(weights, at), row, one)
            row = load(held, (s + 1) * width + n)
            one = fma(spread_from(weights, at + size), row, one)
            two = fma(spread_from(weights, at + size + 1), row, two)
            row = load(held, (s + 2) * width + n)
            one = fma(spread_from(weights, at + 2 * size), row, one)
            two = fma(spread_from(weights, at + 2 * size + 1), row, two)
            three = fma(spread_from(weights, at + 2 * size + 2), row, three)
            _put((one, two, three, four), into, s * width + n, width, adds)


@numba.njit(inline="always")
def _weigh(decay, at, stride, rows, size, pairs, lasting, weights, reach):
    """Holds the decay from every token to every later one, what pairs weigh under it, and what `_last` calls reach."""
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


@numba.njit(inline="always")
def _scale(held, width, rows, factors, into):
    """Writes every row times a factor."""
    for t in range(rows):
        for n in range(0, width, LANES):
            store(into, t * width + n, load(held, t * width + n) * spread_from(factors, t))


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
            _hold(query, (begin * shared + group) * keys, shared * keys, keys, rows, q)
            _hold(key, (begin * shared + group) * keys, shared * keys, keys, rows, k)
            _turn(k, keys, size, places, turned)
            _pair(q, turned, keys, rows, size, pairs)
            for turn_ in range(together):
                h, state = group * together + turn_, states[turn_ * keys * values : (turn_ + 1) * keys * values]
                _hold(value, (begin * heads + h) * values, heads * values, values, rows, v)
                _weigh(decay, begin * heads + h, heads, rows, size, pairs, lasting, weights, reach)
                if chunk > 0:
                    _multiply(q, keys, 1, rows, keys, state, values, y, False)
                    _scale(y, values, rows, reach, y)
                _earlier(weights, size, rows, v, values, y, chunk > 0)
                _release(y, values, rows, out, (begin * heads + h) * values, heads * values)
                if chunk < chunks - 1:
                    _scale(v, values, rows, lasting[(rows - 1) * size :], scaled)
                    for n in range(0, keys * values, LANES):
                        store(state, n, load(state, n) * spread_from(reach, rows - 1))
                    _multiply(k, 1, keys, keys, rows, scaled, values, state, True)
                    if keep:
                        where = ((b * heads + h) * (chunks - 1) + chunk) * keys * values
                        for n in range(0, keys * values, LANES):
                            store(starts, where + n, load(state, n))


@numba.njit(inline="always")
def _dots(one, other, width, rows, into):
    """Writes the products of rows that stand side by side."""
    for t in range(rows):
        sums = spread(np.float32(0))
        for n in range(0, width, LANES):
            sums = fma(load(one, t * width + n), load(other, t * width + n), sums)
        into[t] = total(sums)


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
    since, d_last, d_reach, places = buffer(size), buffer(size), buffer(size), np.empty(LANES, np.intp)
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
            _hold(query, of_group, of_row, keys, rows, q)
            _hold(key, of_group, of_row, keys, rows, k)
            _turn(k, keys, size, places, turned)
            _pair(q, turned, keys, rows, size, pairs)
            d_pairs[:] = np.float32(0)
            d_q[:] = np.float32(0)
            d_k[:] = np.float32(0)
            for turn_ in range(together):
                h, later = group * together + turn_, carried[turn_ * whole : (turn_ + 1) * whole]
                at = (begin * heads + h) * values
                _hold(value, at, heads * values, values, rows, v)
                _hold(d_out, at, heads * values, values, rows, d_y)
                _turn(v, values, size, places, turned_v)
                _weigh(decay, begin * heads + h, heads, rows, size, pairs, lasting, weights, reach)
                _pair(d_y, turned_v, values, rows, size, d_weights)
                _later(weights, size, rows, d_y, values, d_v, False)
                lasts = lasting[(rows - 1) * size :]
                d_last[:] = np.float32(0)
                d_reach[:] = np.float32(0)
                if chunk < chunks - 1:
                    # v_s k_s^T enters the chunk's last state
                    _multiply(k, keys, 1, rows, keys, later, values, made, False)
                    _dots(v, made, values, rows, d_last)
                    _scale(made, values, rows, lasts, made)
                    for n in range(0, rows * values, LANES):
                        store(d_v, n, load(d_v, n) + load(made, n))
                    _turn(later, values, keys, places, turned_state)
                    _scale(v, values, rows, lasts, made)
                    _across(made, values, rows, turned_state, keys, d_k)
                if chunk > 0:
                    # the chunk's first state is read, and enters its last one
                    where = ((b * heads + h) * (chunks - 1) + chunk - 1) * whole
                    start = starts[where : where + whole]
                    _multiply(q, keys, 1, rows, keys, start, values, made, False)
                    _dots(d_y, made, values, rows, d_reach)
                    _turn(start, values, keys, places, turned_state)
                    _scale(d_y, values, rows, reach, made)
                    _across(made, values, rows, turned_state, keys, d_q)
                    sums = none
                    for n in range(0, whole, LANES):
                        sums = fma(load(later, n), load(start, n), sums)
                        store(later, n, load(later, n) * spread_from(reach, rows - 1))
                    d_reach[rows - 1] += total(sums)
                    _multiply(q, 1, keys, keys, rows, made, values, later, True)
                for s in range(0, size, LANES):
                    store(since, s, load(d_last, s))
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
                _release(d_v, values, rows, d_value, at, heads * values)
            _earlier(d_pairs, size, rows, k, keys, d_q, True)
            _later(d_pairs, size, rows, q, keys, d_k, True)
            _release(d_q, keys, rows, d_query, of_group, of_row)
            _release(d_k, keys, rows, d_key, of_group, of_row)
