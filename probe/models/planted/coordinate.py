"""Least squares written one coordinate after another."""

from __future__ import annotations

import torch
from jaxtyping import Float64
from torch import Tensor

from probe.models.planted.moments import moments, solution
from probe.models.planted.way import Seen, Way


class Coordinate(Way):
    """Solves in every block, and writes the coordinates whose turn it is."""

    @classmethod
    def fewest_blocks(cls, dim: int) -> int:
        """Returns the fewest blocks that the algorithm needs."""
        return dim

    def change(self, seen: Seen) -> Float64[Tensor, "batch time dim"]:
        """Returns the solution in this block's coordinates, and 0 in the others."""
        first, last = (place * self.dim // self.blocks for place in (self.index, self.index + 1))
        if first == last:
            return torch.zeros_like(seen.w)
        mask = torch.zeros(self.dim, dtype=seen.w.dtype, device=seen.w.device)
        mask[first:last] = 1.0
        return solution(*moments(seen.token)) * mask
