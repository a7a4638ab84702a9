"""Linear classification in context: y = sign(w.x)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from probe.fields import Dimension
from probe.randomness import Source
from probe.tasks.prompts import Prompts, paired, truncate
from probe.tasks.task import Task


@dataclass(frozen=True)
class LinearClassification(Task):
    """Draws w ~ N(0, I) and x ~ N(0, I) per prompt and asks for the sign of w.x (code of Garg et al., 2022).

    With w = (1, -2) and x = (3, 1), y = 1; where w.x is 0, y = -1. Guessing is wrong half the time, which is the stated
    variance; the target's own variance is 1.

    Args:
        dim: dimension of x.
    """

    objective: ClassVar[str] = "sign"
    references: ClassVar[tuple[str, ...]] = ("least_squares", "averaging", "knn")

    dim: Dimension = 20

    def draw(self, source: Source, context: int, active: int | None = None) -> Prompts:
        """Draws prompts with `context` examples before the last query; coordinates from `active` on are 0."""
        w = source.normal(self.dim)
        x = truncate(source.normal(context + 1, self.dim), active)
        y = torch.where(torch.einsum("bcd,bd->bc", x, w) > 0, 1.0, -1.0)
        return paired(x, y, {"w": w})

    @property
    def variance(self) -> float:
        """The share of wrong guesses."""
        return 0.5
