"""DeltaNet: a matrix in which every token's value replaces part of the value stored under its key."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from probe.models.fast_weights import FastWeights, Feature, Switch


class DeltaNet(FastWeights):
    """Mixes tokens by the delta rule (Schlag et al., 2021, arXiv:2102.11174; Yang et al., 2024, arXiv:2406.06484).

    S_t = S_{t-1} + beta_t (v_t - S_{t-1} k_t) k_t^T with a step beta_t in 0..1 that the token gives each head: one
    step of stochastic gradient descent on linear regression from keys to values. With `conv=off,feature=none` keys and
    values are linear in the token, and the step is beta_t |k_t|² of the one that fits an example exactly.

    Args:
        blocks: the model's number of blocks, by whose square root the output weights are divided.
        heads: the number of heads; it must divide the width.
        conv: whether there is a short convolution of four tokens; without it the SiLU behind it stays.
        feature: whether q, k and v pass through SiLU and q and k are brought to norm 1; none needs `conv` off.
        norm: whether each head's output is normed before the last projection.
    """

    title: ClassVar[str] = "DeltaNet"
    model_norm: ClassVar[Literal["rms", "layer"]] = "rms"
    recipe: ClassVar[str] = "deltanet"

    NAME: ClassVar[str] = "DeltaNet"

    # a multiply-add each for predicting, for writing and for reading
    OPERATIONS: ClassVar[int] = 6

    def __init__(
        self,
        width: int,
        blocks: int,
        heads: int = 4,
        conv: Switch = "on",
        feature: Feature = "silu",
        norm: Switch = "on",
    ) -> None:
        super().__init__(width, blocks, heads, conv, feature=feature, norm=norm)
        self.b_proj = nn.Linear(width, heads, bias=False)

    def _beta(self, hidden: Float[Tensor, "*place width"]) -> Float[Tensor, "*place head"]:
        return torch.sigmoid(self.b_proj(hidden))
