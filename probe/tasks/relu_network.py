"""Networks with one hidden layer of ReLU units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from probe.fields import Dimension, Size
from probe.randomness import Source
from probe.tasks.prompts import Prompts, paired, truncate
from probe.tasks.task import Task


@dataclass(frozen=True)
class ReluNetwork(Task):
    """Draws y = sqrt(2 / hidden) v.ReLU(W x) with W, v and x standard normal (Garg et al., 2022, arXiv:2208.01066).

    With hidden 2, W = ((1, 0), (0, 1)), v = (3, 5) and x = (2, -1), y = 6. There are no biases. The target's variance
    is dim: a unit's square is |x|² / 2 on average.

    Args:
        dim: dimension of x.
        hidden: hidden units.
    """

    references: ClassVar[tuple[str, ...]] = ("least_squares", "averaging", "knn", "network")

    dim: Dimension = 20
    hidden: Size = 100

    def draw(self, source: Source, context: int, active: int | None = None) -> Prompts:
        """Draws prompts with `context` examples before the last query; coordinates from `active` on are 0."""
        inner, outer = source.normal(self.hidden, self.dim), source.normal(self.hidden)
        x = truncate(source.normal(context + 1, self.dim), active)
        units = torch.einsum("bcd,bhd->bch", x, inner).relu()
        y = (2 / self.hidden) ** 0.5 * torch.einsum("bch,bh->bc", units, outer)
        return paired(x, y, {"inner": inner, "outer": outer})

    @property
    def variance(self) -> float:
        """The target's expected square: the mean squared error of predicting zero."""
        return float(self.dim)
