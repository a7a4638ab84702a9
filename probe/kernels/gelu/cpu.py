"""GPT-2's activation on CPUs, fused, one exponential a number.

    x sigmoid(u), u = sqrt(8 / pi) (x + 0.044715 x^3), since (1 + tanh(u / 2)) / 2 = sigmoid(u)

Each item of work is a stretch of the numbers, whatever their shape, and writes its own part.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from probe.kernels.backends import refuse_all_but_float32
from probe.kernels.lanes import LANES, buffer, fma, load, sigmoid, spread, store
from probe.kernels.threads import run_in_threads

STRETCH = 4096
_f = np.float32
_SLOPE, _CUBIC = _f(math.sqrt(8 / math.pi)), _f(math.sqrt(8 / math.pi) * 0.044715)


def gelu(x: Tensor) -> Tensor:
    """Returns the activation; see `probe.kernels.gelu`.

    Raises:
        ProbeError: for a tensor that is not float32 on the CPU.
    """
    refuse_all_but_float32(x)
    result: Tensor = _GELU.apply(x)
    return result


class _GELU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, given: Tensor) -> Tensor:
        x = given.detach().contiguous()
        out = torch.empty_like(x)
        arrays = [t.numpy().reshape(-1) for t in (x, out)]
        run_in_threads(lambda first, last: _forward(first, last, *arrays), -(-x.numel() // STRETCH))
        if any(ctx.needs_input_grad):
            ctx.save_for_backward(x)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        made = torch.empty_like(x)
        arrays = [t.numpy().reshape(-1) for t in (gradients[0].contiguous(), x, made)]
        run_in_threads(lambda first, last: _backward(first, last, *arrays), -(-x.numel() // STRETCH))
        return made


@numba.njit(inline="always")
def _gelu(x):
    return x * sigmoid(x * fma(x * x, spread(_CUBIC), spread(_SLOPE)))


@numba.njit(inline="always")
def _slope(x):
    one, square = spread(_f(1)), x * x
    opened = sigmoid(x * fma(square, spread(_CUBIC), spread(_SLOPE)))
    inner = x * fma(square, spread(_f(3) * _CUBIC), spread(_SLOPE))
    return opened * fma(inner, one - opened, one)


@numba.njit(inline="always")
def _rest(array, at, held):
    """Holds the last numbers of an array, fewer than the lanes."""
    held[:] = _f(0)
    for i in range(at, len(array)):
        held[i - at] = array[i]


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _forward(first, last, x, out):
    end, held = min(last * STRETCH, len(x)), buffer(LANES)
    whole = end - end % LANES
    for at in range(first * STRETCH, whole, LANES):
        store(out, at, _gelu(load(x, at)))
    if whole < end:
        _rest(x, whole, held)
        store(held, 0, _gelu(load(held, 0)))
        for i in range(whole, end):
            out[i] = held[i - whole]


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _backward(first, last, d_out, x, made):
    end, held, back = min(last * STRETCH, len(x)), buffer(LANES), buffer(LANES)
    whole = end - end % LANES
    for at in range(first * STRETCH, whole, LANES):
        store(made, at, load(d_out, at) * _slope(load(x, at)))
    if whole < end:
        _rest(x, whole, held)
        _rest(d_out, whole, back)
        store(held, 0, load(back, 0) * _slope(load(held, 0)))
        for i in range(whole, end):
            made[i] = held[i - whole]
