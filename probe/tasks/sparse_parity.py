"""Parity of a few coordinates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from probe.errors import ProbeError
from probe.fields import Dimension, Size
from probe.randomness import Source
from probe.tasks.choices import subset
from probe.tasks.prompts import Prompts, paired, truncate
from probe.tasks.task import Axis, Task


@dataclass(frozen=True)
class SparseParity(Task):
    """Draws x uniformly from {-1, 1}^dim and asks for the sign of the product over a few of its coordinates.

    Park et al. (2024), arXiv:2402.04248, with 2 of 10 coordinates and 140 points; the sparse parities of Barak et al.
    (2022), arXiv:2207.08799. With the subset {1, 3} and x = (1, -1, -1), y = -1. Guessing is wrong half the time,
    which is the stated variance; the target's own variance is 1.

    Args:
        dim: dimension of x.
        size: coordinates in the subset.
        group_size: prompts that share one subset, by number; the released code draws one per batch (64).
    """

    objective: ClassVar[str] = "sign"
    grows: ClassVar[tuple[Axis, ...]] = ()
    references: ClassVar[tuple[str, ...]] = ("knn",)

    dim: Dimension = 10
    size: Size = 2
    group_size: Size = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.size > self.dim:
            raise ProbeError(
                f"A parity of {self.size} coordinates was asked for, but x has {self.dim}. "
                "Give a smaller size or a larger --dim."
            )

    def draw(self, source: Source, context: int, active: int | None = None) -> Prompts:
        """Draws prompts with `context` examples before the last query; coordinates from `active` on are 0.

        The subset is then one of the active coordinates.
        """
        chosen = subset(source.grouped(self.group_size), self.size, self.dim, active)
        signs = 1.0 - 2.0 * (source.uniform(context + 1, self.dim) < 0.5)
        x = truncate(signs, active)
        y = torch.where(chosen[:, None] > 0, x, 1.0).prod(-1)
        return paired(x, y, {"subset": chosen})

    @property
    def variance(self) -> float:
        """The share of wrong guesses."""
        return 0.5
