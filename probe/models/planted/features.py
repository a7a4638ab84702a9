"""Random features of the tokens, which heads read ever better, and no answer before the last block."""

from __future__ import annotations

import torch
from jaxtyping import Float64
from torch import Tensor

from probe.models.planted.moments import moments, pairs_before, solution
from probe.models.planted.scatter import drawn
from probe.models.planted.way import Seen, Way

EACH = 8
"""Features that a block adds."""


class Features(Way):
    """Adds fixed random nonlinear features of the token and of the mean of x y; the last block solves.

    A feature is tanh(a.x) tanh(b.c), c the mean of x y over the pairs before: the more there are, the better a linear
    head answers, but no block computes an answer.
    """

    @classmethod
    def more_memory(cls, dim: int, blocks: int) -> int:
        """Returns the width of the memory that holds the features."""
        return EACH * blocks

    def change(self, seen: Seen) -> Float64[Tensor, "batch time dim"]:
        """Returns the solution in the last block, and nothing before."""
        return solution(*moments(seen.token)) if self.last else torch.zeros_like(seen.w)

    def memory(self, seen: Seen, change: Float64[Tensor, "batch time dim"]) -> Float64[Tensor, "batch time memory"]:
        """Returns the block's features, in a place of their own."""
        mean = moments(seen.token)[1] / pairs_before(seen.token).clamp(min=1)[:, None]
        own = [drawn(self.seed, 2 * self.index + part, self.dim, EACH).to(seen.token) for part in (0, 1)]
        added = torch.zeros_like(seen.memory)
        start = self.dim**2 + self.dim + EACH * self.index
        added[..., start : start + EACH] = torch.tanh(seen.token @ own[0]) * torch.tanh(mean @ own[1])
        return added
