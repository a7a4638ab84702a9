"""Gradient descent whose step size is another at every block."""

from __future__ import annotations

from math import cos, pi
from typing import ClassVar

from probe.models.planted.gradient import Gradient

FIRST, LAST = 1.5, 0.3
"""The first and last step sizes where they decrease, in units of 1 / L."""
CONDITION = 4.0
"""The eigenvalues from L down to a quarter of it are what Chebyshev's step sizes are best for."""
CYCLE = 3
"""Step sizes that take turns; many in a row amplify whatever was added on the way."""


class Decreasing(Gradient):
    """Takes steps that become smaller, in equal parts from 1.5 / L to 0.3 / L."""

    idle_writes: ClassVar[bool] = True

    def rate(self) -> float:
        """Returns the step size, in units of 1 / L."""
        return FIRST - (FIRST - LAST) * self.index / max(1, self.blocks - 1)


class Chebyshev(Gradient):
    """Takes steps whose sizes are one over the roots of a Chebyshev polynomial, three in turns, the smallest first.

    After three the largest error over eigenvalues between L / 4 and L is the least that three steps can have (Young,
    1953, On Richardson's method for solving linear systems with positive definite matrices).
    """

    idle_writes: ClassVar[bool] = True

    def rate(self) -> float:
        """Returns the step size, in units of 1 / L."""
        root = cos(pi * (2 * (self.index % CYCLE) + 1) / (2 * CYCLE))
        return 2 / (1 + 1 / CONDITION + (1 - 1 / CONDITION) * root)
