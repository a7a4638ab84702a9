"""The selective scan by the official CUDA kernel of the package mamba-ssm (github.com/state-spaces/mamba).

Gu and Dao (2023), "Mamba: Linear-Time Sequence Modeling with Selective State Spaces", arXiv:2312.00752.
"""

from __future__ import annotations

import torch
from mamba_ssm.ops.selective_scan_interface import selective_scan_fn  # type: ignore[import-not-found,unused-ignore]
from torch import Tensor

from probe.errors import ProbeError

# a limit of the CUDA kernel
MOST_STATES = 256


def selective_scan(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor,
    z: Tensor | None = None,
    delta_bias: Tensor | None = None,
) -> Tensor:
    """Runs the scan; see `probe.kernels.selective_scan` for the arguments.

    The CUDA kernel reads activations as [batch, channels, time]: tensors that lie so in memory are not
    copied, others are. It wants one dtype for all activations (here u's) and float32 parameters; both are
    converted on the way.

    Raises:
        ProbeError: for tensors not on a GPU, float64 tensors, or more than 256 states a channel.
    """
    if u.device.type != "cuda" or u.dtype not in (torch.float32, torch.bfloat16, torch.float16):
        raise ProbeError(
            f"The mamba_ssm kernel was given {u.dtype} on {u.device}; it needs float32, bfloat16 or float16 "
            "on a GPU. Use --kernel reference."
        )
    if A.shape[1] > MOST_STATES:
        raise ProbeError(
            f"The mamba_ssm kernel was given {A.shape[1]} states a channel; it takes at most {MOST_STATES}. "
            "Use --kernel triton."
        )
    y: Tensor = selective_scan_fn(
        u.transpose(1, 2),
        delta.to(u.dtype).transpose(1, 2),
        A.float(),
        B.to(u.dtype).transpose(1, 2),
        C.to(u.dtype).transpose(1, 2),
        D.float(),
        z=None if z is None else z.to(u.dtype).transpose(1, 2),
        delta_bias=None if delta_bias is None else delta_bias.float(),
        delta_softplus=True,
    )
    return y.transpose(1, 2)
