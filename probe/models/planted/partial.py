"""Least squares on ever more of the pairs, computed from the tokens alone."""

from __future__ import annotations

from math import ceil

import torch
from jaxtyping import Float64
from torch import Tensor

from probe.models.planted.moments import first_moments, pairs_before, solution
from probe.models.planted.way import Seen, Way


class Partial(Way):
    """Writes the step from the least squares of some of the first pairs to those of a few pairs more.

    The last block has all, those before it share out as many as x has dimensions: without noise these are enough. The
    answer improves with the data, and no block reads what one before it wrote.
    """

    def change(self, seen: Seen) -> Float64[Tensor, "batch time dim"]:
        """Returns the step."""
        return self._solved(seen, self.index + 1) - self._solved(seen, self.index)

    def _solved(self, seen: Seen, blocks: int) -> Float64[Tensor, "batch time dim"]:
        """Returns the solution of the pairs that are had after so many blocks."""
        if blocks == 0:
            return torch.zeros_like(seen.w)
        pairs = pairs_before(seen.token)
        share = pairs if blocks == self.blocks else pairs.clamp(max=ceil(blocks * self.dim / self.blocks))
        return solution(*first_moments(seen.token, share))
