"""Linear regression with a sparse w."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from probe.errors import ProbeError
from probe.fields import Dimension, Size
from probe.randomness import Source
from probe.tasks.choices import subset
from probe.tasks.prompts import Prompts, paired, truncate
from probe.tasks.task import Task


@dataclass(frozen=True)
class SparseLinear(Task):
    """Draws y = w.x as `linear` does, with all but a few random coordinates of w set to 0.

    Garg et al. (2022), arXiv:2208.01066, with 3 of 20 coordinates. With w = (1, -2, 4), of which the first two are
    kept, and x = (3, 1, 1), y = 1. The target's variance is `sparsity`; in a curriculum the coordinates are chosen
    among those active, so that it stays the same (less where fewer than `sparsity` are active).

    Args:
        dim: dimension of x.
        sparsity: coordinates of w that are not 0.
    """

    linear: ClassVar[bool] = True
    references: ClassVar[tuple[str, ...]] = ("least_squares", "lasso:penalty=0.01", "averaging", "knn")

    dim: Dimension = 20
    sparsity: Size = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.sparsity > self.dim:
            raise ProbeError(
                f"A sparsity of {self.sparsity} was given, but w has {self.dim} coordinates. "
                "Give a smaller sparsity or a larger --dim."
            )

    def draw(self, source: Source, context: int, active: int | None = None) -> Prompts:
        """Draws prompts with `context` examples before the last query; coordinates from `active` on are 0."""
        kept = subset(source, self.sparsity, self.dim, active)
        w = source.normal(self.dim) * kept
        x = truncate(source.normal(context + 1, self.dim), active)
        y = torch.einsum("bcd,bd->bc", x, w)
        return paired(x, y, {"w": w, "subset": kept})

    @property
    def variance(self) -> float:
        """The target's expected square: the mean squared error of predicting zero."""
        return float(self.sparsity)
