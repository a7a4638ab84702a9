"""Gradient descent with momentum."""

from __future__ import annotations

from typing import ClassVar

from jaxtyping import Float64
from torch import Tensor

from probe.models.planted.gradient import Gradient
from probe.models.planted.way import Seen

KEPT = 0.5
"""The share of the last change that the next one repeats."""


class Momentum(Gradient):
    """Takes a step of gradient descent and half of the last change again, which it keeps beside the weights.

    The heavy ball of Polyak (1964), Some methods of speeding up the convergence of iteration methods.
    """

    idle_writes: ClassVar[bool] = True

    @classmethod
    def more_memory(cls, dim: int, blocks: int) -> int:
        """Returns the width of the memory that holds the last change."""
        return dim

    def change(self, seen: Seen) -> Float64[Tensor, "batch time dim"]:
        """Returns the step."""
        return super().change(seen) + KEPT * self.beyond(seen)

    def memory(self, seen: Seen, change: Float64[Tensor, "batch time dim"]) -> Float64[Tensor, "batch time memory"]:
        """Returns what makes the memory hold this change."""
        return self.kept(seen, change)
