"""Gated DeltaNet: the delta rule on a matrix that decays, with a gate on its output."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from probe.models.fast_weights import FastWeights, Switch


class GatedDeltaNet(FastWeights):
    """Mixes tokens by the gated delta rule (Yang, Kautz and Hatamizadeh, 2024, arXiv:2412.06464).

    S_t = alpha_t S_{t-1} (I - beta_t k_t k_t^T) + beta_t v_t k_t^T, with beta_t as in DeltaNet and, as in Mamba-2,
    alpha_t = exp(-exp(A_log) softplus(a_t + dt_bias)). Keys have the whole width, not the paper's three quarters.

    Args:
        blocks: the model's number of blocks, by whose square root the output weights are divided.
        heads: the number of heads; it must divide the width.
        conv: whether there is a short convolution of four tokens; without it the SiLU behind it stays.
        gate: whether each head's normed output is multiplied by a SiLU of the input.
        expand: how many times as wide as the keys the values are.
    """

    title: ClassVar[str] = "Gated DeltaNet"
    model_norm: ClassVar[Literal["rms", "layer"]] = "rms"
    recipe: ClassVar[str] = "gated_deltanet"

    NAME: ClassVar[str] = "Gated DeltaNet"
    # a multiply-add each for predicting, for writing and for reading, and a product for the decay
    OPERATIONS: ClassVar[int] = 7
    LARGEST_RATE = 16.0
    STEP_RANGE = (1e-3, 1e-1)
    STEP_FLOOR = 1e-4

    def __init__(
        self, width: int, blocks: int, heads: int = 4, conv: Switch = "on", gate: Switch = "on", expand: int = 2
    ) -> None:
        super().__init__(width, blocks, heads, conv, expand)
        self.b_proj = nn.Linear(width, heads, bias=False)
        self.a_proj = nn.Linear(width, heads, bias=False)
        self.g_proj = nn.Linear(width, expand * width, bias=False) if gate == "on" else None
        # uniform in 0..16, without 0 itself, which has no logarithm
        self.A_log = nn.Parameter(torch.log(self.LARGEST_RATE * (1 - torch.rand(heads))))
        low, high = map(math.log, self.STEP_RANGE)
        step = torch.exp(low + torch.rand(heads) * (high - low)).clamp(min=self.STEP_FLOOR)
        # the inverse of softplus, so that the first step sizes are log-uniform in STEP_RANGE
        self.dt_bias = nn.Parameter(step + torch.log(-torch.expm1(-step)))

    def _beta(self, hidden: Float[Tensor, "*place width"]) -> Float[Tensor, "*place head"]:
        return torch.sigmoid(self.b_proj(hidden))

    def _log_decay(self, hidden: Float[Tensor, "*place width"]) -> Float[Tensor, "*place head"]:
        return -torch.exp(self.A_log) * F.softplus(self.a_proj(hidden) + self.dt_bias)

    def _gated(
        self, normed: Float[Tensor, "*place values"], hidden: Float[Tensor, "*place width"]
    ) -> Float[Tensor, "*place values"]:
        return normed if self.g_proj is None else normed * F.silu(self.g_proj(hidden))
