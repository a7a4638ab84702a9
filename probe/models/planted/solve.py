"""Least squares written whole, by one block."""

from __future__ import annotations

import torch
from jaxtyping import Float64
from torch import Tensor

from probe.models.planted.moments import moments, solution
from probe.models.planted.way import Seen, Way


class Solve(Way):
    """Writes the solution in the middle block; the others write nothing for it."""

    @property
    def place(self) -> int:
        """The block that solves."""
        return self.blocks // 2

    def change(self, seen: Seen) -> Float64[Tensor, "batch time dim"]:
        """Returns the solution, or nothing."""
        return solution(*moments(seen.token)) if self.index == self.place else torch.zeros_like(seen.w)


class SolveEarly(Solve):
    """Writes the solution in the first block."""

    @property
    def place(self) -> int:
        """The block that solves."""
        return 0


class SolveLate(Solve):
    """Writes the solution in the last block but one, or the only one."""

    @property
    def place(self) -> int:
        """The block that solves."""
        return max(0, self.blocks - 2)
