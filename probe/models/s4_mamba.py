"""S4-Mamba: Mamba's shell around a state space that is the same at every token."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from probe.kernels.causal_conv1d import causal_conv1d
from probe.models.diagonal import DiagonalStateSpace
from probe.models.dropout import ChannelDropout
from probe.models.mixer import Mixer


class S4Mamba(Mixer):
    """Mixes tokens as Mamba does but without selection: a short convolution, S4D on twice the width, a gate.

    Park et al. (2024), arXiv:2402.04248. By default it differs from Mamba in the state space alone; the released model
    is ``gate=linear,dropout=0.1,skip=normal``: its gate has no SiLU, it drops channels after the state space, and its
    skips D start from N(0, 1).

    Args:
        blocks: the model's number of blocks, by whose square root the output weights are divided.
        states: the real state size, twice the number of complex modes.
        gate: what the gate passes through before it multiplies.
        dropout: the share of channels dropped while training, tied over time.
        skip: where the skips D start: at 1, or drawn from N(0, 1).
    """

    title: ClassVar[str] = "S4-Mamba"
    recipe: ClassVar[str] = "s4_mamba"

    TAPS = 4
    EXPAND = 2

    def __init__(
        self,
        width: int,
        blocks: int,
        states: int = 16,
        gate: Literal["silu", "linear"] = "silu",
        dropout: float = 0.0,
        skip: Literal["ones", "normal"] = "ones",
    ) -> None:
        super().__init__()
        inner = self.EXPAND * width
        self.gate = gate
        self.in_proj = nn.Linear(width, 2 * inner, bias=False)
        self.conv1d = nn.Conv1d(inner, inner, self.TAPS, groups=inner, padding=self.TAPS - 1)
        self.kernel = DiagonalStateSpace(inner, states)
        self.dropout = ChannelDropout(dropout)
        self.out_proj = nn.Linear(inner, width, bias=False)
        with torch.no_grad():
            self.out_proj.weight.div_(math.sqrt(blocks))
            if skip == "ones":
                self.kernel.D.fill_(1)

    def forward(self, hidden: Float[Tensor, "batch time width"]) -> Float[Tensor, "batch time width"]:
        """Returns the mixer's output at every token."""
        x, z = self.in_proj(hidden).chunk(2, dim=-1)
        y = self.kernel(causal_conv1d(x, self.conv1d.weight.squeeze(1), self._conv_bias()))
        result: Tensor = self.out_proj(self.dropout(y) * self._opened(z))
        return result

    def _opened(self, z: Tensor) -> Tensor:
        return F.silu(z) if self.gate == "silu" else z

    def _conv_bias(self) -> Tensor:
        assert self.conv1d.bias is not None, "the short convolution has a bias, as in Mamba-1"
        return self.conv1d.bias

    def start(self, batch: int) -> tuple[Tensor, ...]:
        """Returns the state before the first token: what the convolution last saw, then the state space's."""
        seen = self.conv1d.weight.new_zeros(batch, self.TAPS - 1, self.conv1d.in_channels)
        return (seen, *self.kernel.start(batch))

    def step(
        self, hidden: Float[Tensor, "batch width"], state: tuple[Tensor, ...]
    ) -> tuple[Float[Tensor, "batch width"], tuple[Tensor, ...]]:
        """Returns the mixer's output at one token, without dropout, and the state after it."""
        x, z = self.in_proj(hidden).chunk(2, dim=-1)
        window = torch.cat([state[0], x.unsqueeze(1)], dim=1)
        mixed = F.silu((window * self.conv1d.weight.squeeze(1).T).sum(1) + self._conv_bias())
        y, inner = self.kernel.step(mixed, state[1:])
        return self.out_proj(y * self._opened(z)), (window[:, 1:], *inner)

    def flops(self, time: int) -> int:
        """Returns the forward floating-point operations for one sequence (a multiply-add is two)."""
        linear = self.in_proj.weight.numel() + self.conv1d.weight.numel() + self.out_proj.weight.numel()
        return 2 * time * linear + self.kernel.flops(time)
