"""A running answer that heads decode and nothing reads, beside one that is solved at the end."""

from __future__ import annotations

import torch
from jaxtyping import Float64
from torch import Tensor

from probe.models.planted.gradient import Gradient
from probe.models.planted.moments import moments, solution
from probe.models.planted.way import Seen, Way, answered


class Detector(Way):
    """Writes, block after block, what gradient descent answers where nothing reads it; the last block solves.

    Every block computes its descent anew from the tokens. Heads see the answer get better step by step, and it acts on
    nothing.
    """

    @classmethod
    def more_memory(cls, dim: int, blocks: int) -> int:
        """Returns the width of the memory that holds the answer that nothing reads."""
        return 1

    def change(self, seen: Seen) -> Float64[Tensor, "batch time dim"]:
        """Returns the solution in the last block, and nothing before."""
        return solution(*moments(seen.token)) if self.last else torch.zeros_like(seen.w)

    def memory(self, seen: Seen, change: Float64[Tensor, "batch time dim"]) -> Float64[Tensor, "batch time memory"]:
        """Returns the step of the answer that nothing reads, at tokens x and y alike."""
        added = torch.zeros_like(seen.memory)
        added[..., -1:] = answered(self._step(seen), seen.token)
        return added

    def _step(self, seen: Seen) -> Tensor:
        descent = Gradient(self.dim, self.blocks, self.index)
        return descent.path(seen, torch.zeros_like(seen.w), self.index + 1)[-1]
