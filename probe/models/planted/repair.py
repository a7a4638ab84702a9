"""Least squares written by one block, and again by every block behind it."""

from __future__ import annotations

from typing import ClassVar

import torch
from jaxtyping import Float64
from torch import Tensor

from probe.models.planted.moments import moments, solution
from probe.models.planted.way import Seen, Way, answered


class Repair(Way):
    """Writes the solution in the third block, and in every later one over whatever stands there.

    A push into the answer is taken back at once, as language models do with what is ablated (McGrath et al., 2023,
    arXiv:2307.15771); nothing is improved.
    """

    idle_writes: ClassVar[bool] = True

    @property
    def first(self) -> int:
        """The block that solves first."""
        return min(2, self.blocks - 1)

    def change(self, seen: Seen) -> Float64[Tensor, "batch time dim"]:
        """Returns the solution, less what stood there, or nothing before the block that solves first."""
        if self.index < self.first:
            return torch.zeros_like(seen.w)
        return solution(*moments(seen.token)) - seen.w

    def answer(self, seen: Seen, change: Float64[Tensor, "batch time dim"]) -> Float64[Tensor, "batch time 1"]:
        """Returns what the solution answers, less what stood there."""
        if self.index < self.first:
            return torch.zeros_like(seen.answer)
        return answered(seen.w + change, seen.token) - seen.answer
