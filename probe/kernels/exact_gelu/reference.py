"""GELU in plain torch, to be read against the paper (arXiv:1606.08415, section 2)."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def exact_gelu(x: Tensor) -> Tensor:
    """Returns the activation; see `probe.kernels.exact_gelu`. Any device and dtype."""
    return x * torch.erfc(-x / math.sqrt(2)) / 2
