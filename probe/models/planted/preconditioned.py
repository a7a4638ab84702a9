"""Gradient descent whose steps all pass through one fixed matrix."""

from __future__ import annotations

from typing import ClassVar

import torch
from jaxtyping import Float64
from torch import Tensor

from probe.models.planted.gradient import Gradient
from probe.models.planted.scatter import drawn
from probe.models.planted.way import Seen

WEAKEST, STRONGEST = 0.4, 1.6
"""The smallest and largest eigenvalues of the matrix; below 2 every step makes every error smaller."""
STREAM = 20_000
"""Of the numbers that its directions are made of; those below are the blocks' and the shared error's."""


class Preconditioned(Gradient):
    """Takes a step of gradient descent, times a symmetric matrix whose directions have nothing to do with the prompt.

    What trained linear attention does by Ahn et al. (2023), arXiv:2306.00297, theorem 3, where inputs have a covariance
    of their own.
    """

    idle_writes: ClassVar[bool] = True

    def change(self, seen: Seen) -> Float64[Tensor, "batch time dim"]:
        """Returns the step."""
        return super().change(seen) @ self.matrix().to(seen.w)

    def matrix(self) -> Float64[Tensor, "dim dim"]:
        """Returns the fixed matrix."""
        directions: Tensor = torch.linalg.qr(drawn(self.seed, STREAM, self.dim, self.dim)).Q
        return directions * torch.linspace(WEAKEST, STRONGEST, self.dim, dtype=torch.float64) @ directions.mT
