"""Causal softmax attention by torch's own function, which chooses among its kernels."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def causal_attention(packed: Tensor) -> Tensor:
    """Runs the attention; see `probe.kernels.causal_attention`. Any device and dtype."""
    query, key, value = packed.permute(2, 0, 3, 1, 4)
    return F.scaled_dot_product_attention(query, key, value, is_causal=True).transpose(1, 2)
