"""The S4 mixer of both in-context-learning papers, which is the minimal S4D with a gated linear map behind it."""

from __future__ import annotations

from typing import ClassVar

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from probe.models.diagonal import DiagonalStateSpace
from probe.models.dropout import ChannelDropout
from probe.models.mixer import Mixer


class S4D(Mixer):
    """Filters every channel by a diagonal state space, then mixes channels by a gated linear unit.

    Gu et al. (2022), arXiv:2206.11893; the "S4" of Grazzi et al. (2024), arXiv:2402.03170 (64 states, dropout 0.1 after
    the GELU and again after the gate, post-norm) and of Park et al. (2024), arXiv:2402.04248 (16 states, no dropout,
    pre-norm). The norm is the skeleton's. Dropout is tied over time.

    Args:
        blocks: not used: neither paper scales this mixer's weights by the depth.
        states: the real state size, twice the number of complex modes.
        dropout: the share of channels dropped while training.
    """

    title: ClassVar[str] = "S4D"
    recipe: ClassVar[str] = "s4"

    def __init__(self, width: int, blocks: int, states: int = 64, dropout: float = 0.0) -> None:
        super().__init__()
        self.kernel = DiagonalStateSpace(width, states)
        self.dropout = ChannelDropout(dropout)
        self.output_linear = nn.Linear(width, 2 * width)

    def forward(self, hidden: Float[Tensor, "batch time width"]) -> Float[Tensor, "batch time width"]:
        """Returns the mixer's output at every token."""
        filtered = self.dropout(F.gelu(self.kernel(hidden)))
        result: Tensor = self.dropout(F.glu(self.output_linear(filtered)))
        return result

    def start(self, batch: int) -> tuple[Tensor, ...]:
        """Returns the state before the first token."""
        return self.kernel.start(batch)

    def step(
        self, hidden: Float[Tensor, "batch width"], state: tuple[Tensor, ...]
    ) -> tuple[Float[Tensor, "batch width"], tuple[Tensor, ...]]:
        """Returns the mixer's output at one token, without dropout, and the state after it."""
        filtered, state = self.kernel.step(hidden, state)
        return F.glu(self.output_linear(F.gelu(filtered))), state

    def flops(self, time: int) -> int:
        """Returns the forward floating-point operations for one sequence (a multiply-add is two)."""
        return self.kernel.flops(time) + 2 * time * self.output_linear.weight.numel()
