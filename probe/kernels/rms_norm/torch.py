"""The norm by the root of the mean square by torch's own function."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def rms_norm(x: Tensor, weight: Tensor, eps: float = 1e-5) -> Tensor:
    """Runs the norm; see `probe.kernels.rms_norm` for the arguments. Any device and dtype."""
    return F.rms_norm(x, weight.shape, weight, eps)
