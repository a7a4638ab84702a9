"""Products of matrices whose rows are lanes, as small as a chunk of tokens is, for kernels that numba compiles.

Four rows are summed at a time, under a weight each. What is held has zeros up to a whole number of lanes of rows; what
is turned lies as [lanes of rows, number, lane]; weights of pairs of tokens are [later, earlier], `size` of both, and of
those only each token's own and earlier ones are read: what a later one holds changes nothing.
"""

from __future__ import annotations

import numba
import numpy as np

from probe.kernels.lanes import LANES, fma, load, spread, spread_from, store, total, turn

# rows of a product that are summed together
TOGETHER = 4


@numba.njit(inline="always")
def hold_rows(array, at, stride, width, rows, held):
    """Holds a chunk's rows, which lie a stride apart."""
    for t in range(rows):
        for n in range(0, width, LANES):
            store(held, t * width + n, load(array, at + t * stride + n))


@numba.njit(inline="always")
def release_rows(held, width, rows, array, at, stride):
    """Writes a chunk's rows, which lie a stride apart."""
    for t in range(rows):
        for n in range(0, width, LANES):
            store(array, at + t * stride + n, load(held, t * width + n))


@numba.njit(inline="always")
def turn_rows(held, width, count, places, turned):
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
def multiply(left, across, down, count, terms, rows, width, into, adds):
    """Writes, or adds, the product of a matrix, whose rows and columns lie so far apart, and rows of a width."""
    for row in range(0, count, TOGETHER):
        for n in range(0, width, LANES):
            sums = _sums(left, row * across, across, down, 0, terms, rows, n, width)
            _put(sums, into, row * width + n, width, adds)


@numba.njit(inline="always")
def across(left, width, rows, turned, count, into):
    """Adds the products of every row with as many rows that are turned."""
    for t in range(0, rows, TOGETHER):
        for n in range(0, count, LANES):
            sums = _sums(left, t * width, width, 1, 0, width, turned, n * width, LANES)
            _put(sums, into, t * count + n, count, True)


@numba.njit(inline="always")
def pair(left, turned, width, rows, size, into):
    """Writes the products of every row with those up to its own, and some beyond up to a whole number of lanes."""
    for t in range(0, rows, TOGETHER):
        for s in range(0, t + TOGETHER, LANES):
            sums = _sums(left, t * width, width, 1, 0, width, turned, s * width, LANES)
            _put(sums, into, t * size + s, size, False)


@numba.njit(inline="always")
def earlier(weights, size, rows, held, width, into, adds):
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
def later(weights, size, rows, held, width, into, adds):
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
def scale_rows(held, width, rows, factors, into):
    """Writes every row times a factor."""
    for t in range(rows):
        for n in range(0, width, LANES):
            store(into, t * width + n, load(held, t * width + n) * spread_from(factors, t))


@numba.njit(inline="always")
def dots(one, other, width, rows, into):
    """Writes the products of rows that stand side by side."""
    for t in range(rows):
        sums = spread(np.float32(0))
        for n in range(0, width, LANES):
            sums = fma(load(one, t * width + n), load(other, t * width + n), sums)
        into[t] = total(sums)
