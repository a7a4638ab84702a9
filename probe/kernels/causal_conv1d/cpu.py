"""The short causal convolution with SiLU on CPUs, fused, channels side by side; see `selective_scan.cpu`."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from probe.kernels.lanes import LANES, load, sigmoid, spread, store
from probe.kernels.threads import run_in_threads


def causal_conv1d(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Runs the fused kernel in float32; see `probe.kernels.causal_conv1d` for the arguments."""
    missing = -x.shape[-1] % LANES
    if not missing:
        result: Tensor = _CausalConv1d.apply(x.float(), weight.float(), bias.float())
        return result.to(x.dtype)
    # channels of zeros, which are cut off again
    wide, taps, offsets = F.pad(x, (0, missing)), F.pad(weight, (0, 0, 0, missing)), F.pad(bias, (0, missing))
    return causal_conv1d(wide, taps, offsets)[..., : x.shape[-1]]


class _CausalConv1d(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *tensors: Tensor) -> Tensor:
        x, weight, bias = (tensor.detach().contiguous() for tensor in tensors)
        batch, time, channels = x.shape
        out = torch.empty_like(x)
        arrays = [t.numpy().reshape(-1) for t in (x, weight.T.contiguous(), bias, out)]
        sizes = (time, channels, weight.shape[1])
        run_in_threads(lambda first, last: _forward(first, last, *sizes, *arrays), batch)
        if any(ctx.needs_input_grad):
            ctx.save_for_backward(x, weight, bias)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, bias = ctx.saved_tensors
        batch, time, channels = x.shape
        taps = weight.shape[1]
        d_x = torch.empty_like(x)
        d_weight = x.new_zeros(batch, taps, channels)
        d_bias = x.new_zeros(batch, channels)
        tensors = (gradients[0].contiguous(), x, weight.T.contiguous(), bias, d_x, d_weight, d_bias)
        arrays = [t.numpy().reshape(-1) for t in tensors]
        run_in_threads(lambda first, last: _backward(first, last, time, channels, taps, *arrays), batch)
        return d_x, d_weight.sum(0).T, d_bias.sum(0)


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _mixed(x, row, e, oldest, taps, channels, weight, bias):
    """Returns bias + sum_k weight_k x_{t-K+1+k} for the lanes at e of the step whose channels start at row."""
    mixed = load(bias, e)
    for k in range(oldest, taps):
        mixed = mixed + load(weight, k * channels + e) * load(x, row + (k + 1 - taps) * channels + e)
    return mixed


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _forward(first, last, time, channels, taps, x, weight, bias, out):
    for b in range(first, last):
        for t in range(time):
            row, oldest = (b * time + t) * channels, max(0, taps - 1 - t)
            for e in range(0, channels, LANES):
                mixed = _mixed(x, row, e, oldest, taps, channels, weight, bias)
                store(out, row + e, mixed * sigmoid(mixed))


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _backward(first, last, time, channels, taps, d_out, x, weight, bias, d_x, d_weight, d_bias):
    one = spread(np.float32(1))
    for b in range(first, last):
        for t in range(time):
            row, oldest = (b * time + t) * channels, max(0, taps - 1 - t)
            for e in range(0, channels, LANES):
                mixed = _mixed(x, row, e, oldest, taps, channels, weight, bias)
                opened = sigmoid(mixed)
                d_mixed = load(d_out, row + e) * opened * (one + mixed * (one - opened))
                store(d_bias, b * channels + e, load(d_bias, b * channels + e) + d_mixed)
                for k in range(oldest, taps):
                    source, tap = row + (k + 1 - taps) * channels + e, k * channels + e
                    # no earlier step reaches d_x of this one: it is set here and added to by the steps after
                    d_x_k = load(weight, tap) * d_mixed
                    store(d_x, source, d_x_k if k == taps - 1 else load(d_x, source) + d_x_k)
                    tap += b * taps * channels
                    store(d_weight, tap, load(d_weight, tap) + load(x, source) * d_mixed)
