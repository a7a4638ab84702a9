"""The selective scan of Mamba: one signature, several backends.

    y = selective_scan(u, delta, A, B, C, D, z, delta_bias)

computes, for each channel, h_t = exp(delta'_t A) h_{t-1} + delta'_t B_t u_t and y_t = C_t h_t + D u_t with
delta' = softplus(delta + delta_bias), times silu(z_t) where a gate is given (Gu and Dao, 2023, arXiv:2312.00752,
algorithm 2).
"""

from __future__ import annotations

from importlib.util import find_spec

import torch
from jaxtyping import Float
from torch import Tensor

from probe.kernels.backends import load

BACKENDS = {
    "reference": "plain torch, any device and dtype",
    "cpu": "fused numba kernel, float32 on the CPU",
    "triton": "fused Triton kernel, on a GPU",
    "mamba_ssm": "the official CUDA kernel, where the package mamba-ssm is installed",
}


def selective_scan(
    u: Float[Tensor, "batch time channels"],
    delta: Float[Tensor, "batch time channels"],
    A: Float[Tensor, "channels state"],
    B: Float[Tensor, "batch time state"],
    C: Float[Tensor, "batch time state"],
    D: Float[Tensor, " channels"],
    z: Float[Tensor, "batch time channels"] | None = None,
    delta_bias: Float[Tensor, " channels"] | None = None,
    *,
    backend: str = "auto",
) -> Float[Tensor, "batch time channels"]:
    """Runs the selective scan and returns y; differentiable in every tensor.

    Args:
        u: what enters the state space, after the short convolution.
        delta: the step size before bias and softplus.
        A: the decay rates, negative.
        z: the gate before silu; without it y is returned ungated.
        backend: one of `BACKENDS`, or ``auto`` (see `choose`).

    Raises:
        ProbeError: if the backend is unknown, not installed, or cannot run on these tensors.
    """
    name = choose(u.device.type, u.dtype) if backend == "auto" else backend
    return load("selective_scan", BACKENDS, name, takes_half=True)(u, delta, A, B, C, D, z, delta_bias)


def choose(device: str, dtype: torch.dtype) -> str:
    """Returns the fastest backend for a device type and dtype among those installed."""
    if device == "cpu":
        return "reference" if dtype == torch.float64 else "cpu"
    if device == "cuda" and dtype != torch.float64:
        for name in ("mamba_ssm", "triton"):
            if find_spec(name) is not None:
                return name
    return "reference"
