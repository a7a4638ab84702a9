"""The short depthwise causal convolution of Mamba, followed by SiLU (Gu and Dao, 2023, arXiv:2312.00752, figure 3)."""

from __future__ import annotations

from importlib import import_module

import torch
from jaxtyping import Float
from torch import Tensor

BACKENDS = {
    "reference": "plain torch, any device and dtype",
    "cpu": "fused numba kernel, float32 on the CPU",
}


def causal_conv1d(
    x: Float[Tensor, "batch time channels"],
    weight: Float[Tensor, "channels taps"],
    bias: Float[Tensor, " channels"],
    *,
    backend: str = "auto",
) -> Float[Tensor, "batch time channels"]:
    """Returns silu(bias + sum_k weight_k x_{t-K+1+k}) with zeros before the first step; differentiable.

    Args:
        backend: one of `BACKENDS`, or ``auto``: the fused kernel for float32 on the CPU, else the reference. The
            names of the selective scan's other backends are taken as the reference.
    """
    fused = x.device.type == "cpu" and x.dtype != torch.float64
    name = "cpu" if fused and backend in ("auto", "cpu") else "reference"
    result: Tensor = import_module(f"probe.kernels.causal_conv1d.{name}").causal_conv1d(x, weight, bias)
    return result
