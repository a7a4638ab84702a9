"""The norm by the root of the mean square in plain torch, to be read against arXiv:1910.07467, equation 4."""

from __future__ import annotations

import torch
from torch import Tensor


def rms_norm(x: Tensor, weight: Tensor, eps: float = 1e-5) -> Tensor:
    """Runs the norm; see `probe.kernels.rms_norm` for the arguments. Any device and dtype."""
    return weight * x / torch.sqrt((x**2).mean(-1, keepdim=True) + eps)
