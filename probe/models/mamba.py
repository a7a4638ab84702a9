"""The Mamba-1 mixer, with the official package's parameter names and initialisation."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from probe.kernels.causal_conv1d import causal_conv1d
from probe.kernels.selective_scan import selective_scan


class Mamba(nn.Module):
    """Mixes tokens by a short convolution and a selective scan (Gu and Dao, 2023, arXiv:2312.00752, section 3.4).

    Args:
        width: the stream's width; the inner width is twice that, the step size's rank a sixteenth.
        blocks: the model's number of blocks, by whose square root the output weights are divided.
    """

    STATE = 16
    TAPS = 4
    EXPAND = 2
    STEP_RANGE = (1e-3, 1e-1)
    STEP_FLOOR = 1e-4

    def __init__(self, width: int, blocks: int) -> None:
        super().__init__()
        inner, self.rank = self.EXPAND * width, math.ceil(width / 16)
        self.backend = "auto"
        self.in_proj = nn.Linear(width, 2 * inner, bias=False)
        self.conv1d = nn.Conv1d(inner, inner, self.TAPS, groups=inner, padding=self.TAPS - 1)
        self.x_proj = nn.Linear(inner, self.rank + 2 * self.STATE, bias=False)
        self.dt_proj = nn.Linear(self.rank, inner)
        self.A_log = nn.Parameter(torch.log(torch.arange(1.0, self.STATE + 1)).repeat(inner, 1))
        self.D = nn.Parameter(torch.ones(inner))
        self.out_proj = nn.Linear(inner, width, bias=False)
        self._initialise(blocks)

    @torch.no_grad()
    def _initialise(self, blocks: int) -> None:
        nn.init.uniform_(self.dt_proj.weight, -(self.rank**-0.5), self.rank**-0.5)
        low, high = map(math.log, self.STEP_RANGE)
        step = torch.exp(low + torch.rand(len(self.D)) * (high - low)).clamp(min=self.STEP_FLOOR)
        # the inverse of softplus, so that the first step sizes are log-uniform in STEP_RANGE
        self.dt_proj.bias.copy_(step + torch.log(-torch.expm1(-step)))
        self.out_proj.weight.div_(math.sqrt(blocks))

    def forward(self, hidden: Float[Tensor, "batch time width"]) -> Float[Tensor, "batch time width"]:
        """Returns what the block writes to the stream."""
        # x and z come from the two halves of in_proj apart, so that both are contiguous without a copy
        in_x, in_z = self.in_proj.weight.chunk(2)
        x = causal_conv1d(
            F.linear(hidden, in_x), self.conv1d.weight.squeeze(1), self._conv_bias(), backend=self.backend
        )
        step, b, c = self.x_proj(x).split([self.rank, self.STATE, self.STATE], dim=-1)
        y = selective_scan(
            x,
            F.linear(step, self.dt_proj.weight),
            -torch.exp(self.A_log.float()),
            b,
            c,
            self.D,
            F.linear(hidden, in_z),
            self.dt_proj.bias,
            backend=self.backend,
        )
        result: Tensor = self.out_proj(y)
        return result

    def _conv_bias(self) -> Tensor:
        assert self.conv1d.bias is not None, "the short convolution has a bias in Mamba-1"
        return self.conv1d.bias

    def flops(self, time: int) -> int:
        """Returns the forward floating-point operations for one sequence (a multiply-add is two, an exp one)."""
        inner = self.out_proj.in_features
        linear = sum(m.weight.numel() for m in (self.in_proj, self.x_proj, self.dt_proj, self.out_proj))
        # a state update: product and exp for the decay, two multiply-adds, a product for B u, a multiply-add for y
        return time * (2 * linear + 2 * inner * self.TAPS + 9 * inner * self.STATE)
