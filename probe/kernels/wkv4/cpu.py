"""The WKV operation on CPUs: one fused pass, vectorised over channels, sums recomputed in the backward pass.

The equations are those of `reference`, with exponents in base 2. Each prompt is an item of its own, so that results
do not depend on the number of threads. Loops are kept as small as `selective_scan.cpu` says they must be.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from probe.kernels.backends import refuse_all_but_float32
from probe.kernels.cpu_math import FASTMATH, LOG2_E, exp2
from probe.kernels.threads import run_in_threads
from probe.kernels.wkv4.reference import LOWEST

_LOWEST = np.float32(LOWEST)


def wkv4(key: Tensor, value: Tensor, decay: Tensor, first: Tensor) -> Tensor:
    """Runs the operation; see `probe.kernels.wkv4` for the arguments.

    Raises:
        ProbeError: for tensors that are not float32 on the CPU.
    """
    refuse_all_but_float32(key)
    result: Tensor = _WKV4.apply(key, value, decay, first)
    return result


class _WKV4(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *tensors: Tensor) -> Tensor:
        key, value, decay, first = (tensor.detach().contiguous() for tensor in tensors)
        fall, bonus = torch.exp(decay) * LOG2_E.item(), first * LOG2_E.item()
        out = torch.empty_like(key)
        arrays = [t.numpy() for t in (key, value, fall, bonus, out)]
        run_in_threads(lambda start, stop: _forward(start, stop, *arrays), len(key))
        if any(ctx.needs_input_grad):
            ctx.save_for_backward(key, value, fall, bonus, out)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        key, value, fall, bonus, out = ctx.saved_tensors
        d_key, d_value = torch.empty_like(key), torch.empty_like(value)
        d_fall, d_first = key.new_zeros(2, len(key), key.shape[2]).unbind(0)
        tensors = (gradients[0].contiguous(), key, value, fall, bonus, out, d_key, d_value, d_fall, d_first)
        arrays = [t.numpy() for t in tensors]
        run_in_threads(lambda start, stop: _backward(start, stop, *arrays), len(key))
        # fall is exp(decay) in base 2
        return d_key, d_value, d_fall.sum(0) * fall / LOG2_E.item(), d_first.sum(0)


@numba.njit(nogil=True, cache=True, fastmath=FASTMATH, error_model="numpy")
def _weights(key, top, shift, bonus, before, now):
    """Fills one row's weights of the sums so far and of the new value, for exponents top - shift and key + bonus."""
    for e in range(len(key)):
        old = top[e] - shift[e]
        new = key[e] * LOG2_E + bonus[e]
        largest = max(old, new)
        before[e] = exp2(old - largest)
        now[e] = exp2(new - largest)


@numba.njit(nogil=True, cache=True, fastmath=FASTMATH, error_model="numpy")
def _advance(key, value, fall, before, now, numerator, denominator, top):
    """Takes one more token into the sums; each array is written in place, which is known to overlap with itself."""
    for e in range(len(key)):
        numerator[e] = before[e] * numerator[e] + now[e] * value[e]
    for e in range(len(key)):
        denominator[e] = before[e] * denominator[e] + now[e]
    for e in range(len(key)):
        top[e] = max(top[e] - fall[e], key[e] * LOG2_E)


@numba.njit(nogil=True, cache=True, fastmath=FASTMATH, error_model="numpy")
def _read(value, before, now, numerator, denominator, out):
    for e in range(len(value)):
        out[e] = (before[e] * numerator[e] + now[e] * value[e]) / (before[e] * denominator[e] + now[e])


@numba.njit(nogil=True, cache=True, fastmath=FASTMATH, error_model="numpy")
def _forward(start, stop, key, value, fall, bonus, out):
    _, time, channels = key.shape
    none = np.zeros(channels, np.float32)
    before, now = np.empty(channels, np.float32), np.empty(channels, np.float32)
    numerator, denominator = np.empty(channels, np.float32), np.empty(channels, np.float32)
    top = np.empty(channels, np.float32)
    for b in range(start, stop):
        numerator[:] = np.float32(0)
        denominator[:] = np.float32(0)
        top[:] = _LOWEST
        for t in range(time):
            key_t, value_t = key[b, t], value[b, t]
            _weights(key_t, top, none, bonus, before, now)
            _read(value_t, before, now, numerator, denominator, out[b, t])
            _weights(key_t, top, fall, none, before, now)
            _advance(key_t, value_t, fall, before, now, numerator, denominator, top)


@numba.njit(nogil=True, cache=True, fastmath=FASTMATH, error_model="numpy")
def _through_output(d_out, value, out, before, now, denominator, scaled, d_key, d_value, d_first):
    """Sets one row's d_key and d_value, adds to d_first; scaled is d_out over the output's denominator."""
    for e in range(len(value)):
        scaled[e] = d_out[e] / (before[e] * denominator[e] + now[e])
    for e in range(len(value)):
        d_value[e] = scaled[e] * now[e]
    for e in range(len(value)):
        d_key[e] = d_value[e] * (value[e] - out[e])
    for e in range(len(value)):
        d_first[e] += d_key[e]


@numba.njit(nogil=True, cache=True, fastmath=FASTMATH, error_model="numpy")
def _through_sums(value, before, now, numerator, denominator, d_numerator, d_denominator, d_key, d_value, d_fall):
    """Adds one row's share by way of the sums after it, whose gradients are given, scaled as the sums are."""
    for e in range(len(value)):
        d_value[e] += now[e] * d_numerator[e]
    for e in range(len(value)):
        d_key[e] += now[e] * (d_numerator[e] * value[e] + d_denominator[e])
    for e in range(len(value)):
        d_fall[e] -= before[e] * (d_numerator[e] * numerator[e] + d_denominator[e] * denominator[e])


@numba.njit(nogil=True, cache=True, fastmath=FASTMATH, error_model="numpy")
def _carry_back(out, fall_weight, read_weight, scaled, d_numerator, d_denominator):
    """Turns the gradients of the sums after a token to those of the sums before it."""
    for e in range(len(out)):
        d_numerator[e] = fall_weight[e] * d_numerator[e] + scaled[e] * read_weight[e]
    for e in range(len(out)):
        d_denominator[e] = fall_weight[e] * d_denominator[e] - scaled[e] * read_weight[e] * out[e]


@numba.njit(nogil=True, cache=True, fastmath=FASTMATH, error_model="numpy")
def _backward(start, stop, d_out, key, value, fall, bonus, out, d_key, d_value, d_fall, d_first):
    _, time, channels = key.shape
    none = np.zeros(channels, np.float32)
    read_weight, fall_weight = np.empty(channels, np.float32), np.empty(channels, np.float32)
    read_now, now = np.empty(channels, np.float32), np.empty(channels, np.float32)
    d_numerator, d_denominator = np.empty(channels, np.float32), np.empty(channels, np.float32)
    scaled = np.empty(channels, np.float32)
    # the sums before every token
    numerators, denominators = np.zeros((time + 1, channels), np.float32), np.zeros((time + 1, channels), np.float32)
    tops = np.empty((time + 1, channels), np.float32)
    tops[0] = _LOWEST
    for b in range(start, stop):
        for t in range(time):
            for e in range(channels):
                numerators[t + 1, e] = numerators[t, e]
                denominators[t + 1, e] = denominators[t, e]
                tops[t + 1, e] = tops[t, e]
            _weights(key[b, t], tops[t], fall, none, fall_weight, now)
            _advance(
                key[b, t], value[b, t], fall, fall_weight, now, numerators[t + 1], denominators[t + 1], tops[t + 1]
            )
        d_numerator[:] = np.float32(0)
        d_denominator[:] = np.float32(0)
        for t in range(time - 1, -1, -1):
            value_t, out_t, dk, dv = value[b, t], out[b, t], d_key[b, t], d_value[b, t]
            above, below = numerators[t], denominators[t]
            _weights(key[b, t], tops[t], none, bonus, read_weight, read_now)
            _weights(key[b, t], tops[t], fall, none, fall_weight, now)
            _through_output(d_out[b, t], value_t, out_t, read_weight, read_now, below, scaled, dk, dv, d_first[b])
            _through_sums(value_t, fall_weight, now, above, below, d_numerator, d_denominator, dk, dv, d_fall[b])
            _carry_back(out_t, fall_weight, read_weight, scaled, d_numerator, d_denominator)
