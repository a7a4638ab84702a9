"""Regression on the cubes of x."""

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
class Cubic(Task):
    """Draws y = w.x³ / sqrt(15) with w, x ~ N(0, I) and x³ coordinate by coordinate, in analogy to `quadratic`.

    With w = (1, -2) and x = (3, 1), y = 25 / sqrt(15). The target's variance is dim, as a normal number's sixth moment
    is 15. A least-squares w explains 3/5 of it: x³ / sqrt(15) correlates with x by 3 / sqrt(15).

    Args:
        dim: dimension of x.
    """

    references: ClassVar[tuple[str, ...]] = ("power_least_squares:power=3", "knn", "network")

    dim: Dimension = 20

    def draw(self, source: Source, context: int, active: int | None = None) -> Prompts:
        """Draws prompts with `context` examples before the last query; coordinates from `active` on are 0."""
        w = source.normal(self.dim)
        x = truncate(source.normal(context + 1, self.dim), active)
        y = torch.einsum("bcd,bd->bc", self.regressors(x), w)
        return paired(x, y, {"w": w})

    def regressors(self, x: Float[Tensor, "*place dim"]) -> Float[Tensor, "*place dim"]:
        """Returns the regressors, in which y is linear: x to the power of 3, of variance 1."""
        return x**3 / 15**0.5

    @property
    def variance(self) -> float:
        """The target's expected square: the mean squared error of predicting zero."""
        return float(self.dim)
