"""Causal softmax attention in plain torch, to be read against the paper (Vaswani et al., 2017, section 3.2)."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def causal_attention(packed: Tensor) -> Tensor:
    """Runs the attention; see `probe.kernels.causal_attention`. Any device and dtype."""
    time, size = packed.shape[1], packed.shape[4]
    query, key, value = packed.permute(2, 0, 3, 1, 4)
    scores = query @ key.mT / math.sqrt(size)
    later = torch.ones(time, time, dtype=torch.bool, device=packed.device).triu(1)
    mixed: Tensor = scores.masked_fill(later, -math.inf).softmax(-1) @ value
    return mixed.transpose(1, 2)
