"""The mean of solutions each of which is wrong in its own way."""

from __future__ import annotations

from jaxtyping import Float64
from torch import Tensor

from probe.models.planted.moments import moments, solution
from probe.models.planted.scatter import scattered
from probe.models.planted.way import Seen, Way

ERROR = 0.8
"""Of each weight of each estimate, where weights have variance 1."""
STREAM = 30_000
"""Of the numbers that the errors are made of, and a further one a block."""


class Average(Way):
    """Adds an estimate over the number of blocks: least squares, with an error that no other block shares.

    The sum gets better, as a mean of independent estimates does, and no block reads it.
    """

    def change(self, seen: Seen) -> Float64[Tensor, "batch time dim"]:
        """Returns the block's share of the mean."""
        error = ERROR * scattered(seen.token, self.dim, self.seed, STREAM + self.index)
        return (solution(*moments(seen.token)) + error) / self.blocks
