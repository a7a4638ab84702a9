"""Gradient descent whose step size is another at every block."""

from __future__ import annotations

from math import cos, pi
from typing import ClassVar

from probe.models.planted.gradient import Gradient

FIRST, LAST = 1.5, 0.3
"""The first and last step sizes where they decrease, in units of 1 / L."""
CONDITION = 10.0
"""The eigenvalues from L down to a tenth of it are what Chebyshev's step sizes are best for."""


class Decreasing(Gradient):
    """Takes steps that become smaller, in equal parts from 1.5 / L to 0.3 / L."""

    idle_writes: ClassVar[bool] = True

    def rate(self) -> float:
        """Returns the step size, in units of 1 / L."""
        return FIRST - (FIRST - LAST) * self.index / max(1, self.blocks - 1)


class Chebyshev(Gradient):
    """Takes steps whose sizes are one over the roots of a Chebyshev polynomial, the smallest first.

    After all of them the largest error over eigenvalues between L / 10 and L is the least that so many steps can have
    (Young, 1953, On Richardson's method for solving linear systems with positive definite matrices).
    """

    idle_writes: ClassVar[bool] = True

    def rate(self) -> float:
        """Returns the step size, in units of 1 / L."""
        root = cos(pi * (2 * self.index + 1) / (2 * self.blocks))
        return 2 / (1 + 1 / CONDITION + (1 - 1 / CONDITION) * root)
