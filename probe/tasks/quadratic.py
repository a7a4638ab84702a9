"""Regression on the squares of x."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from probe.fields import Dimension
from probe.randomness import Source
from probe.tasks.prompts import Prompts, paired, truncate
from probe.tasks.task import Task


@dataclass(frozen=True)
class Quadratic(Task):
    """Draws y = w.x² / sqrt(3) with w, x ~ N(0, I) and x² coordinate by coordinate (code of Garg et al., 2022).

    With w = (1, -2) and x = (3, 1), y = 7 / sqrt(3). The target's variance is dim, as a normal number's fourth moment
    is 3.

    Args:
        dim: dimension of x.
    """

    references: ClassVar[tuple[str, ...]] = ("power_least_squares:power=2", "knn", "network")

    dim: Dimension = 20

    def draw(self, source: Source, context: int, active: int | None = None) -> Prompts:
        """Draws prompts with `context` examples before the last query; coordinates from `active` on are 0."""
        w = source.normal(self.dim)
        x = truncate(source.normal(context + 1, self.dim), active)
        y = torch.einsum("bcd,bd->bc", self.regressors(x), w)
        return paired(x, y, {"w": w})

    def regressors(self, x: Float[Tensor, "*place dim"]) -> Float[Tensor, "*place dim"]:
        """Returns the regressors, in which y is linear: x to the power of 2, of variance 1."""
        return x**2 / 3**0.5

    @property
    def variance(self) -> float:
        """The target's expected square: the mean squared error of predicting zero."""
        return float(self.dim)
