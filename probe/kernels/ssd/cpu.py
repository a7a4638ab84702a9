"""The state space of Mamba-2 on CPUs, by the decaying linear attention of `probe.kernels.linear_attention`."""

from __future__ import annotations

import torch
from torch import Tensor

from probe.kernels.linear_attention import linear_attention


def ssd(x: Tensor, step: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor) -> Tensor:
    """Runs the state space; see `probe.kernels.ssd` for the arguments.

    Raises:
        ProbeError: for tensors that are not float32 on the CPU.
    """
    read = linear_attention(C.unsqueeze(2), B.unsqueeze(2), step.unsqueeze(-1) * x, torch.exp(step * A))
    return read + D.unsqueeze(-1) * x
