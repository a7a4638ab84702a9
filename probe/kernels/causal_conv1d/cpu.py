"""The short causal convolution with SiLU on CPUs, fused and vectorised over channels; see `selective_scan.cpu`."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import torch
from torch import Tensor

from probe.kernels.cpu_math import FASTMATH, sigmoid
from probe.kernels.threads import run_in_threads


def causal_conv1d(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Runs the fused kernel in float32; see `probe.kernels.causal_conv1d` for the arguments."""
    result: Tensor = _CausalConv1d.apply(x.float(), weight.float(), bias.float())
    return result.to(x.dtype)


class _CausalConv1d(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *tensors: Tensor) -> Tensor:
        x, weight, bias = (tensor.detach().contiguous() for tensor in tensors)
        out = torch.empty_like(x)
        arrays = [t.numpy() for t in (x, weight.T.contiguous(), bias, out)]
        run_in_threads(lambda first, last: _forward(first, last, *arrays), x.shape[0])
        if any(ctx.needs_input_grad):
            ctx.save_for_backward(x, weight, bias)
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, bias = ctx.saved_tensors
        batch, _, channels = x.shape
        d_x = torch.empty_like(x)
        d_weight = x.new_zeros(batch, weight.shape[1], channels)
        d_bias = x.new_zeros(batch, channels)
        tensors = (gradients[0].contiguous(), x, weight.T.contiguous(), bias, d_x, d_weight, d_bias)
        arrays = [t.numpy() for t in tensors]
        run_in_threads(lambda first, last: _backward(first, last, *arrays), batch)
        return d_x, d_weight.sum(0).T, d_bias.sum(0)


# Besides the habits of `selective_scan.cpu`: numba copies a slice (``mixed[:] = bias``) one number at a time, which
# costs as much as a sigmoid, so rows are written in loops.


@numba.njit(nogil=True, cache=True, fastmath=FASTMATH, error_model="numpy")
def _mix(x, t, weight, bias, mixed):
    """Fills mixed [e] = bias + sum_k weight_k x_{t-K+1+k} for one prompt x [t, e]."""
    newest = weight.shape[0] - 1
    oldest = max(0, newest - t)
    x_k, w_k = x[t - newest + oldest], weight[oldest]
    for e in range(len(bias)):
        mixed[e] = bias[e] + w_k[e] * x_k[e]
    for k in range(oldest + 1, newest + 1):
        x_k, w_k = x[t - newest + k], weight[k]
        for e in range(len(bias)):
            mixed[e] += w_k[e] * x_k[e]


@numba.njit(nogil=True, cache=True, fastmath=FASTMATH, error_model="numpy")
def _forward(first, last, x, weight, bias, out):
    mixed = np.empty(len(bias), np.float32)
    for b in range(first, last):
        for t in range(x.shape[1]):
            out_t = out[b, t]
            _mix(x[b], t, weight, bias, mixed)
            for e in range(len(bias)):
                out_t[e] = mixed[e] * sigmoid(mixed[e])


@numba.njit(nogil=True, cache=True, fastmath=FASTMATH, error_model="numpy")
def _backward(first, last, d_out, x, weight, bias, d_x, d_weight, d_bias):
    newest = weight.shape[0] - 1
    mixed = np.empty(len(bias), np.float32)
    d_mixed = np.empty(len(bias), np.float32)
    for b in range(first, last):
        d_bias_b = d_bias[b]
        for t in range(x.shape[1]):
            _mix(x[b], t, weight, bias, mixed)
            d_out_t = d_out[b, t]
            for e in range(len(bias)):
                opened = sigmoid(mixed[e])
                d_mixed[e] = d_out_t[e] * opened * (np.float32(1) + mixed[e] * (np.float32(1) - opened))
                d_bias_b[e] += d_mixed[e]
            # no earlier step reaches d_x[b, t]: it is set here and added to by the steps after
            x_k, w_k, d_x_k, d_w_k = x[b, t], weight[newest], d_x[b, t], d_weight[b, newest]
            for e in range(len(bias)):
                d_x_k[e] = w_k[e] * d_mixed[e]
                d_w_k[e] += x_k[e] * d_mixed[e]
            for k in range(max(0, newest - t), newest):
                source = t - newest + k
                x_k, w_k, d_x_k, d_w_k = x[b, source], weight[k], d_x[b, source], d_weight[b, k]
                for e in range(len(bias)):
                    d_x_k[e] += w_k[e] * d_mixed[e]
                    d_w_k[e] += x_k[e] * d_mixed[e]
