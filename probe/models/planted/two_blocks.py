"""Gradient descent of which every step takes two blocks."""

from __future__ import annotations

from typing import ClassVar

import torch
from jaxtyping import Float64
from torch import Tensor

from probe.models.planted.gradient import Gradient
from probe.models.planted.way import Seen


class TwoBlocks(Gradient):
    """Prepares a step of gradient descent beside the weights, in every other block, and takes it in the next."""

    idle_writes: ClassVar[bool] = True

    @classmethod
    def more_memory(cls, dim: int, blocks: int) -> int:
        """Returns the width of the memory that holds the step to come."""
        return dim

    @property
    def _prepares(self) -> bool:
        return self.index % 2 == 0

    def change(self, seen: Seen) -> Float64[Tensor, "batch time dim"]:
        """Returns the step that the block before prepared, or nothing."""
        return torch.zeros_like(seen.w) if self._prepares else self.beyond(seen)

    def memory(self, seen: Seen, change: Float64[Tensor, "batch time dim"]) -> Float64[Tensor, "batch time memory"]:
        """Returns what makes the memory hold the step to come, or nothing once it was taken."""
        return self.kept(seen, super().change(seen) if self._prepares else torch.zeros_like(seen.w))
