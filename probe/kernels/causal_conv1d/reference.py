"""The short causal convolution with SiLU in plain torch."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def causal_conv1d(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Returns silu(bias + sum_k weight_k x_{t-K+1+k}); see `probe.kernels.causal_conv1d`. Any device and dtype."""
    padded = F.pad(x.transpose(1, 2), (weight.shape[1] - 1, 0))
    mixed = F.conv1d(padded, weight.unsqueeze(1), bias, groups=weight.shape[0])
    return F.silu(mixed).transpose(1, 2)
