"""GELU on CPUs, fused, one exponential a number: its tanh approximation, and the exact one for `exact_gelu`.

    approximate: x sigmoid(u), u = sqrt(8 / pi) (x + 0.044715 x^3), since (1 + tanh(u / 2)) / 2 = sigmoid(u)
    exact: max(x, 0) - |x| q(|x|), where q(x) = erfc(x / sqrt(2)) / 2 = t p(t) exp(-x^2 / 2), t = 1 / (1 + c x)

The form of q is that of Hastings (1955, "Approximations for Digital Computers", sheet 45);
here p has seven coefficients, fitted so that q is within 1e-9. Each item of work is a stretch of the numbers, whatever
their shape, and writes its own part.
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
from probe.kernels.lanes import (
    LANES,
    above,
    absolute,
    at_least,
    at_most,
    buffer,
    exp2,
    fma,
    load,
    sigmoid,
    spread,
    store,
)
from probe.kernels.threads import run_in_threads

STRETCH = 4096
_f = np.float32
_SLOPE, _CUBIC = _f(math.sqrt(8 / math.pi)), _f(math.sqrt(8 / math.pi) * 0.044715)
_FALL, _DENSITY = _f(-0.5 * math.log2(math.e)), _f(1 / math.sqrt(2 * math.pi))
_NEAR, _FAR = _f(0.31819805), _f(20)
"""c, and where q and its density are 0 in float32."""


def gelu(x: Tensor) -> Tensor:
    """Returns the activation; see `probe.kernels.gelu`.

    Raises:
        ProbeError: for a tensor that is not float32 on the CPU.
    """
    return fused(x, exact=False)


def fused(x: Tensor, *, exact: bool) -> Tensor:
    """Returns the exact activation or its approximation.

    Raises:
        ProbeError: for a tensor that is not float32 on the CPU.
    """
    refuse_all_but_float32(x)
    result: Tensor = _GELU.apply(x, exact)
    return result


class _GELU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, given: Tensor, exact: bool) -> Tensor:
        x = given.detach().contiguous()
        out = torch.empty_like(x)
        arrays = [t.numpy().reshape(-1) for t in (x, out)]
        run_in_threads(lambda first, last: _forward(first, last, exact, *arrays), -(-x.numel() // STRETCH))
        ctx.exact = exact
        if any(ctx.needs_input_grad):
            ctx.save_for_backward(x)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (x,) = ctx.saved_tensors
        made = torch.empty_like(x)
        arrays = [t.numpy().reshape(-1) for t in (gradients[0].contiguous(), x, made)]
        run_in_threads(lambda first, last: _backward(first, last, ctx.exact, *arrays), -(-x.numel() // STRETCH))
        return made, None


@numba.njit(inline="always")
def _tail(x):
    """Returns q of |x|, and exp(-x^2 / 2)."""
    one = spread(_f(1))
    fallen = exp2(x * x * spread(_FALL))
    t = one / fma(absolute(x), spread(_NEAR), one)
    p = fma(t, spread(_f(0.046010018)), spread(_f(-0.24576424)))
    p = fma(t, p, spread(_f(0.42608974)))
    p = fma(t, p, spread(_f(-0.18534789)))
    p = fma(t, p, spread(_f(0.22862832)))
    p = fma(t, p, spread(_f(0.10094378)))
    p = fma(t, p, spread(_f(0.12944027)))
    return t * p * fallen, fallen


@numba.njit(inline="always")
def _gelu(x, exact):
    if exact:
        near = at_most(absolute(x), spread(_FAR))
        return at_least(x, spread(_f(0))) - near * _tail(x)[0]
    return x * sigmoid(x * fma(x * x, spread(_CUBIC), spread(_SLOPE)))


@numba.njit(inline="always")
def _slope(x, exact):
    one = spread(_f(1))
    if exact:
        tail, fallen = _tail(x)
        near = at_least(at_most(x, spread(_FAR)), spread(-_FAR))
        return fma(near * spread(_DENSITY), fallen, above(x, one - tail, tail))
    square = x * x
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
def _forward(first, last, exact, x, out):
    end, held = min(last * STRETCH, len(x)), buffer(LANES)
    whole = end - end % LANES
    for at in range(first * STRETCH, whole, LANES):
        store(out, at, _gelu(load(x, at), exact))
    if whole < end:
        _rest(x, whole, held)
        store(held, 0, _gelu(load(held, 0), exact))
        for i in range(whole, end):
            out[i] = held[i - whole]


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _backward(first, last, exact, d_out, x, made):
    end, held, back = min(last * STRETCH, len(x)), buffer(LANES), buffer(LANES)
    whole = end - end % LANES
    for at in range(first * STRETCH, whole, LANES):
        store(made, at, load(d_out, at) * _slope(load(x, at), exact))
    if whole < end:
        _rest(x, whole, held)
        _rest(d_out, whole, back)
        store(held, 0, load(back, 0) * _slope(load(held, 0), exact))
        for i in range(whole, end):
            made[i] = held[i - whole]
