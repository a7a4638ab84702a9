"""The tanh approximation of GELU in plain torch, to be read against the paper (arXiv:1606.08415, section 2)."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def gelu(x: Tensor) -> Tensor:
    """Returns the activation; see `probe.kernels.gelu`. Any device and dtype."""
    return x / 2 * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
