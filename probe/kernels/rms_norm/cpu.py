"""The norm by the root of the mean square on CPUs, fused: a row is read once forward and once going back.

Each item of work is a stretch of rows and writes its own part; of the weight's gradient it writes its own sum, and the
sums are added in their order, so that the number of threads changes nothing. Compiled by numba on first use and cached.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from probe.kernels.backends import refuse_all_but_float32
from probe.kernels.lanes import LANES, fma, load, spread, store, total
from probe.kernels.threads import run_in_threads

ROWS = 64


def rms_norm(x: Tensor, weight: Tensor, eps: float = 1e-5) -> Tensor:
    """Runs the norm; see `probe.kernels.rms_norm` for the arguments.

    Raises:
        ProbeError: for a tensor that is not float32 on the CPU.
    """
    refuse_all_but_float32(x, weight)
    result: Tensor = _RMSNorm.apply(x, weight, eps)
    return result


class _RMSNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, given: Tensor, weight: Tensor, eps: float) -> Tensor:
        x, scale = given.detach().contiguous(), weight.detach().contiguous()
        rows, out = x.numel() // len(scale), torch.empty_like(x)
        kept = x.new_empty(rows)
        arrays = [tensor.numpy().reshape(-1) for tensor in (x, scale, out, kept)]
        run_in_threads(lambda first, last: _forward(first, last, np.float32(eps), *arrays), -(-rows // ROWS))
        if any(ctx.needs_input_grad):
            ctx.save_for_backward(x, scale, kept)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        x, scale, kept = ctx.saved_tensors
        items = -(-len(kept) // ROWS)
        d_x, d_weight = torch.empty_like(x), x.new_zeros(items, len(scale))
        tensors = (gradients[0].contiguous(), x, scale, kept, d_x, d_weight)
        arrays = [tensor.numpy().reshape(-1) for tensor in tensors]
        run_in_threads(lambda first, last: _backward(first, last, *arrays), items)
        return d_x, d_weight.sum(0), None


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _forward(first, last, eps, x, weight, out, kept):
    width = len(weight)
    whole, size = width - width % LANES, np.float32(width)
    for row in range(first * ROWS, min(last * ROWS, len(kept))):
        at, squares, rest = row * width, spread(np.float32(0)), np.float32(0)
        for e in range(0, whole, LANES):
            here = load(x, at + e)
            squares = fma(here, here, squares)
        for e in range(whole, width):
            rest += x[at + e] * x[at + e]
        root = np.float32(1) / np.sqrt((total(squares) + rest) / size + eps)
        kept[row] = root
        for e in range(0, whole, LANES):
            store(out, at + e, load(x, at + e) * spread(root) * load(weight, e))
        for e in range(whole, width):
            out[at + e] = x[at + e] * root * weight[e]


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _backward(first, last, d_out, x, weight, kept, d_x, d_weight):
    width = len(weight)
    whole, size = width - width % LANES, np.float32(width)
    for row in range(first * ROWS, min(last * ROWS, len(kept))):
        at, own = row * width, row // ROWS * width
        root, products, rest = kept[row], spread(np.float32(0)), np.float32(0)
        for e in range(0, whole, LANES):
            back = load(d_out, at + e) * load(x, at + e)
            products = fma(back, load(weight, e), products)
            store(d_weight, own + e, fma(back, spread(root), load(d_weight, own + e)))
        for e in range(whole, width):
            rest += d_out[at + e] * x[at + e] * weight[e]
            d_weight[own + e] += d_out[at + e] * x[at + e] * root
        along = (total(products) + rest) / size * root * root
        for e in range(0, whole, LANES):
            back = load(d_out, at + e) * load(weight, e) - load(x, at + e) * spread(along)
            store(d_x, at + e, back * spread(root))
        for e in range(whole, width):
            d_x[at + e] = (d_out[at + e] * weight[e] - x[at + e] * along) * root
