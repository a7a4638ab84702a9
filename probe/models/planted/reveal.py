"""Gradient descent run by the first block alone, and uncovered a step a block."""

from __future__ import annotations

import torch
from jaxtyping import Float64
from torch import Tensor

from probe.models.planted.gradient import Gradient
from probe.models.planted.scatter import FREQUENCY
from probe.models.planted.way import Seen, Way


class Reveal(Way):
    """Hides all steps of gradient descent in the first block, and uncovers one in every block.

    Hidden, a step has a sign that depends on the token. The answer improves at every block and nothing is iterated
    after the first.
    """

    @classmethod
    def more_memory(cls, dim: int, blocks: int) -> int:
        """Returns the width of the memory that holds the steps."""
        return blocks * dim

    def change(self, seen: Seen) -> Float64[Tensor, "batch time dim"]:
        """Returns the step that the block uncovers."""
        if self.index == 0:
            return self._steps(seen)[0]
        return self._sign(seen) * self.beyond(seen)[..., self.index * self.dim : (self.index + 1) * self.dim]

    def memory(self, seen: Seen, change: Float64[Tensor, "batch time dim"]) -> Float64[Tensor, "batch time memory"]:
        """Returns all steps, hidden, in the first block, and nothing after it."""
        added = torch.zeros_like(seen.memory)
        if self.index == 0:
            added[..., self.dim**2 + self.dim :] = self._sign(seen) * torch.cat(self._steps(seen), dim=-1)
        return added

    def _sign(self, seen: Seen) -> Tensor:
        return torch.where(torch.sin(FREQUENCY * seen.token.sum(-1, keepdim=True)) < 0, -1.0, 1.0).to(seen.w)

    def _steps(self, seen: Seen) -> list[Tensor]:
        return Gradient(self.dim, self.blocks, self.index).path(seen, torch.zeros_like(seen.w), self.blocks)


class RevealAtPairs(Reveal):
    """Hides the steps at tokens y, and uncovers at a token x those that stand at the y before it."""

    def change(self, seen: Seen) -> Float64[Tensor, "batch time dim"]:
        """Returns the step that the block uncovers, from where it is hidden."""
        if self.index == 0:
            return super().change(seen)
        place = torch.arange(seen.token.shape[1], device=seen.token.device)
        # the last y up to each token; the first x has none, and nothing is hidden there
        where = (place - (place + 1) % 2).clamp(min=0)
        at_y = Seen(*(part[:, where] for part in (seen.token, seen.w, seen.answer, seen.memory)))
        return super().change(at_y)

    def memory(self, seen: Seen, change: Float64[Tensor, "batch time dim"]) -> Float64[Tensor, "batch time memory"]:
        """Returns all steps, hidden, at tokens y in the first block, and nothing else."""
        added = super().memory(seen, change)
        added[:, ::2] = 0.0
        return added
