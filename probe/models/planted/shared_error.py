"""Gradient descent towards weights that are a little wrong, the same at every block."""

from __future__ import annotations

from typing import ClassVar

from jaxtyping import Float64
from torch import Tensor

from probe.models.planted.gradient import Gradient
from probe.models.planted.moments import moments, times
from probe.models.planted.scatter import scattered
from probe.models.planted.way import Seen

ERROR = 0.1
"""Of each weight: a hundredth of the squared error of knowing nothing, where weights have variance 1."""
STREAM = 10_000
"""Of the numbers that the error is made of; those below are the blocks'."""


class SharedError(Gradient):
    """Takes a step of gradient descent for targets of w + e, where e follows from the prompt's first x.

    All blocks share e, as what a trained model has not learned is shared by its blocks.
    """

    idle_writes: ClassVar[bool] = True

    def moments(self, seen: Seen) -> tuple[Tensor, Tensor]:
        """Returns X'X and X'(y + Xe)."""
        hessian, correlation = moments(seen.token)
        return hessian, correlation + times(hessian, self.error(seen).expand_as(correlation))

    def error(self, seen: Seen) -> Float64[Tensor, "batch 1 dim"]:
        """Returns e, the same at every token of a prompt."""
        return ERROR * scattered(seen.token[:, :1], self.dim, self.seed, STREAM)
