"""The diagonal state space as a convolution on CPUs, channels side by side, for short sequences, exactly causal.

Gu et al. (2022), arXiv:2206.11893, section 3.1: y = K * u + D u with K_l = 2 Re sum(C B_bar A_bar^l), where D counts as
part of K_0. Each item of work is a prompt's sixteen channels. No product with a later token is computed, which is half
of a matrix's. Both gradients are causal convolutions too, of sequences that are turned around. Compiled by numba on
first use and cached.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from probe.kernels.backends import refuse_all_but_float32
from probe.kernels.diagonal_convolution.fft import kernel
from probe.kernels.lanes import LANES, buffer, fma, load, spread, store
from probe.kernels.threads import run_in_threads


def diagonal_convolution(u: Tensor, step: Tensor, A: Tensor, C: Tensor, D: Tensor) -> Tensor:
    """Runs the convolution; see `probe.kernels.diagonal_convolution` for the arguments.

    Raises:
        ProbeError: for an input that is not float32 on the CPU.
    """
    refuse_all_but_float32(u)
    response = kernel(u.shape[1], step, A, C)
    result: Tensor = _Convolution.apply(u, torch.cat([response[:1] + D, response[1:]]))
    return result


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *given: Tensor) -> Tensor:
        u, response = (tensor.detach().contiguous() for tensor in given)
        out = torch.empty_like(u)
        arrays = [tensor.numpy().reshape(-1) for tensor in (u, response, out)]
        run_in_threads(lambda first, last: _forward(first, last, *u.shape, *arrays), _items(u))
        if any(ctx.needs_input_grad):
            ctx.save_for_backward(u, response)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        u, response = ctx.saved_tensors
        d_u, d_response = torch.empty_like(u), torch.empty_like(u)
        tensors = (gradients[0].contiguous(), u, response, d_u, d_response)
        arrays = [tensor.numpy().reshape(-1) for tensor in tensors]
        run_in_threads(lambda first, last: _backward(first, last, *u.shape, *arrays), _items(u))
        return d_u, d_response.sum(0)


def _items(u: Tensor) -> int:
    return len(u) * -(-u.shape[2] // LANES)


@numba.njit(inline="always")
def _hold(array, row, channels, first, time, held):
    """Holds up to sixteen channels of every token, from one on, zeros beyond the last."""
    if first + LANES <= channels:
        for t in range(time):
            store(held, t * LANES, load(array, row + t * channels + first))
    else:
        for t in range(time):
            for c in range(min(LANES, channels - first)):
                held[t * LANES + c] = array[row + t * channels + first + c]


@numba.njit(inline="always")
def _hold_backwards(array, row, channels, first, time, held):
    """Holds what `_hold` does, the last token first."""
    if first + LANES <= channels:
        for t in range(time):
            store(held, (time - 1 - t) * LANES, load(array, row + t * channels + first))
    else:
        for t in range(time):
            for c in range(min(LANES, channels - first)):
                held[(time - 1 - t) * LANES + c] = array[row + t * channels + first + c]


@numba.njit(inline="always")
def _release(held, array, row, channels, first, time, backwards):
    """Writes up to sixteen channels of every token, the last token of those held first where asked to."""
    for t in range(time):
        at, to = (time - 1 - t if backwards else t) * LANES, row + t * channels + first
        if first + LANES <= channels:
            store(array, to, load(held, at))
        else:
            for c in range(channels - first):
                array[to + c] = held[at + c]


@numba.njit(inline="always")
def _convolve(left, right, time, out):
    """Writes sum_{s <= t} left_{t - s} right_s of every t, four at a time, to an array of three tokens more."""
    one, two, three = LANES, 2 * LANES, 3 * LANES
    for first in range(0, time, 4):
        at, none = first * LANES, spread(np.float32(0))
        a, b, c, d = none, none, none, none
        for s in range(0, at + LANES, LANES):
            factor = load(right, s)
            a = fma(load(left, at - s), factor, a)
            b = fma(load(left, at - s + one), factor, b)
            c = fma(load(left, at - s + two), factor, c)
            d = fma(load(left, at - s + three), factor, d)
        now, next_, third = load(left, 0), load(left, one), load(left, two)
        after = load(right, at + one)
        b, c, d = fma(now, after, b), fma(next_, after, c), fma(third, after, d)
        after = load(right, at + two)
        c, d = fma(now, after, c), fma(next_, after, d)
        d = fma(now, load(right, at + three), d)
        store(out, at, a)
        store(out, at + one, b)
        store(out, at + two, c)
        store(out, at + three, d)


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _forward(first, last, batch, time, channels, u, response, out):
    size = (time + 3) * LANES
    given, held, made = buffer(size), buffer(size), buffer(size)
    given[:] = np.float32(0)
    held[:] = np.float32(0)
    for item in range(first, last):
        row, channel = item % batch * time * channels, item // batch * LANES
        _hold(u, row, channels, channel, time, given)
        if item == first or item % batch == 0:
            _hold(response, 0, channels, channel, time, held)
        _convolve(held, given, time, made)
        _release(made, out, row, channels, channel, time, False)


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _backward(first, last, batch, time, channels, d_out, u, response, d_u, d_response):
    size = (time + 3) * LANES
    given, held, made, back = buffer(size), buffer(size), buffer(size), buffer(size)
    given[:] = np.float32(0)
    held[:] = np.float32(0)
    back[:] = np.float32(0)
    for item in range(first, last):
        row, channel = item % batch * time * channels, item // batch * LANES
        _hold(u, row, channels, channel, time, given)
        _hold_backwards(d_out, row, channels, channel, time, back)
        if item == first or item % batch == 0:
            _hold(response, 0, channels, channel, time, held)
        _convolve(held, back, time, made)
        _release(made, d_u, row, channels, channel, time, True)
        _convolve(given, back, time, made)
        _release(made, d_response, row, channels, channel, time, True)
