"""A running answer that blocks read and move along, beside one that is solved at the end."""

from __future__ import annotations

import torch
from jaxtyping import Float64
from torch import Tensor

from probe.models.planted.gradient import Gradient
from probe.models.planted.moments import moments, solution
from probe.models.planted.way import Seen, Way, answered

PLACES = 2
"""Between which the answer goes to and fro."""


class Bystander(Way):
    """Moves a running answer from one place to another, a step of gradient descent better; the last block solves.

    A block reads what it moves, so that a push goes along with it. The step itself follows from the tokens alone, and
    nothing of it reaches what the model answers.
    """

    @classmethod
    def more_memory(cls, dim: int, blocks: int) -> int:
        """Returns the width of the memory that holds the answer that is moved."""
        return PLACES

    def change(self, seen: Seen) -> Float64[Tensor, "batch time dim"]:
        """Returns the solution in the last block, and nothing before."""
        return solution(*moments(seen.token)) if self.last else torch.zeros_like(seen.w)

    def memory(self, seen: Seen, change: Float64[Tensor, "batch time dim"]) -> Float64[Tensor, "batch time memory"]:
        """Returns what empties one place and fills the other."""
        moved = torch.zeros_like(self.beyond(seen))
        here, there = (self.index + 1) % PLACES, self.index % PLACES
        step = Gradient(self.dim, self.blocks, self.index).path(seen, torch.zeros_like(seen.w), self.index + 1)[-1]
        moved[..., there] = self.beyond(seen)[..., here] + answered(step, seen.token)[..., 0]
        return self.kept(seen, moved)


class Beside(Way):
    """Takes steps of gradient descent in weights of their own, of which nothing is answered; the last block solves.

    A loop that is closed, and that the model's answer does not need.
    """

    @classmethod
    def more_memory(cls, dim: int, blocks: int) -> int:
        """Returns the width of the memory that holds the weights and their answer."""
        return dim + 1

    def change(self, seen: Seen) -> Float64[Tensor, "batch time dim"]:
        """Returns the solution in the last block, and nothing before."""
        return solution(*moments(seen.token)) if self.last else torch.zeros_like(seen.w)

    def memory(self, seen: Seen, change: Float64[Tensor, "batch time dim"]) -> Float64[Tensor, "batch time memory"]:
        """Returns the step, and what it answers."""
        w = self.beyond(seen)[..., : self.dim]
        step = Gradient(self.dim, self.blocks, self.index).path(seen, w, 1)[0]
        return self.kept(seen, torch.cat([w + step, answered(w + step, seen.token)], dim=-1))
