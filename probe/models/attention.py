"""Causal multi-head self-attention as in GPT-2."""

from __future__ import annotations

from typing import ClassVar

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from probe.errors import ProbeError
from probe.kernels.causal_attention import causal_attention
from probe.model_config import Init
from probe.models.mixer import Mixer


class Attention(Mixer):
    """Lets every token attend to itself and to earlier tokens (Vaswani et al., 2017; Radford et al., 2019).

    Args:
        blocks: the model's number of blocks, by whose square root the output weights' spread is divided.
        heads: the number of attention heads; it must divide the width.
        dropout: of the attention weights and of what is written, in training.
        init: GPT-2's first weights, or those of `torch.nn.Linear`, as in the hybrids of Park et al. (2024).
    """

    title: ClassVar[str] = "causal attention"
    ordered: ClassVar[bool] = False
    recipe: ClassVar[str] = "transformer"

    def __init__(self, width: int, blocks: int, heads: int, dropout: float = 0.0, init: Init = "own") -> None:
        super().__init__()
        if heads < 1 or width % heads:
            raise ProbeError(
                f"A width of {width} cannot be split into {heads} attention heads. Give a number that divides it."
            )
        self.heads = heads
        self.dropout = dropout
        self.c_attn = nn.Linear(width, 3 * width)
        self.c_proj = nn.Linear(width, width)
        if init == "own":
            nn.init.normal_(self.c_attn.weight, std=0.02)
            nn.init.normal_(self.c_proj.weight, std=0.02 / blocks**0.5)
            nn.init.zeros_(self.c_attn.bias)
            nn.init.zeros_(self.c_proj.bias)

    def forward(self, hidden: Float[Tensor, "batch time width"]) -> Float[Tensor, "batch time width"]:
        """Returns the mixer's output at every token."""
        batch, time, width = hidden.shape
        packed = self.c_attn(hidden).view(batch, time, 3, self.heads, width // self.heads)
        if self.dropout and self.training:
            query, key, value = packed.permute(2, 0, 3, 1, 4)
            mixed = F.scaled_dot_product_attention(query, key, value, dropout_p=self.dropout, is_causal=True)
            mixed = mixed.transpose(1, 2)
        else:
            mixed = causal_attention(packed)
        result: Tensor = self.c_proj(mixed.reshape(batch, time, width))
        return F.dropout(result, self.dropout, self.training)

    def flops(self, time: int) -> int:
        """Returns the forward floating-point operations for one sequence, causal half of the scores only."""
        width = self.c_proj.in_features
        projections = 2 * time * (self.c_attn.weight.numel() + self.c_proj.weight.numel())
        return projections + 2 * time * (time + 1) * width
