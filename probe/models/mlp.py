"""The feed-forward block of GPT-2: two linear maps with a tanh-approximated GELU between them."""

from __future__ import annotations

from typing import ClassVar

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from probe.kernels.gelu import gelu
from probe.model_config import Init
from probe.models.mixer import Mixer


class MLP(Mixer):
    """Maps every token by itself, through four times the width (Radford et al., 2019, GPT-2).

    Weights are drawn from N(0, 0.02²), the output's from N(0, 0.02² / blocks), biases are 0: with one attention and
    one feed-forward block a layer, `blocks` is GPT-2's 2 * n_layer. `dropout` falls on what is written, in training;
    with `init` torch the first weights are those of `torch.nn.Linear`.
    """

    title: ClassVar[str] = "feed-forward"
    ordered: ClassVar[bool] = False
    recipe: ClassVar[str] = "transformer"

    def __init__(self, width: int, blocks: int, dropout: float = 0.0, init: Init = "own") -> None:
        super().__init__()
        self.dropout = dropout
        self.c_fc = nn.Linear(width, 4 * width)
        self.c_proj = nn.Linear(4 * width, width)
        if init == "own":
            nn.init.normal_(self.c_fc.weight, std=0.02)
            nn.init.normal_(self.c_proj.weight, std=0.02 / blocks**0.5)
            nn.init.zeros_(self.c_fc.bias)
            nn.init.zeros_(self.c_proj.bias)

    def forward(self, hidden: Float[Tensor, "batch time width"]) -> Float[Tensor, "batch time width"]:
        """Returns the mixer's output at every token."""
        result: Tensor = self.c_proj(gelu(self.c_fc(hidden)))
        return F.dropout(result, self.dropout, self.training)

    def flops(self, time: int) -> int:
        """Returns the forward floating-point operations for one sequence (a multiply-add is two)."""
        return 2 * time * (self.c_fc.weight.numel() + self.c_proj.weight.numel())
