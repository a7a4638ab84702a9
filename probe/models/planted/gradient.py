"""Gradient descent on the squared error, a step a block; and what a step is, for the others."""

from __future__ import annotations

from typing import ClassVar

from jaxtyping import Float64
from torch import Tensor

from probe.models.planted.moments import largest, moments, times
from probe.models.planted.way import Seen, Way


class Gradient(Way):
    """Takes a step of size 1 / L, L the largest eigenvalue of X'X.

    Attention could (von Oswald et al., 2023, arXiv:2212.07677). A stack of such blocks does improve an answer step by
    step.
    """

    idle_writes: ClassVar[bool] = False

    def rate(self) -> float:
        """Returns the step size, in units of 1 / L."""
        return 1.0

    def moments(self, seen: Seen) -> tuple[Tensor, Tensor]:
        """Returns X'X and X'y at every token."""
        return moments(seen.token)

    def change(self, seen: Seen) -> Float64[Tensor, "batch time dim"]:
        """Returns the step."""
        return self.path(seen, seen.w, 1)[0]

    def path(self, seen: Seen, w: Float64[Tensor, "batch time dim"], steps: int) -> list[Tensor]:
        """Returns so many steps, one after the other, from these weights on."""
        hessian, correlation = self.moments(seen)
        length, found = largest(hessian), []
        for _ in range(steps):
            descent: Tensor = (correlation - times(hessian, w)) / length
            found.append(descent if self.rate() == 1.0 else self.rate() * descent)
            w = w + found[-1]
        return found
