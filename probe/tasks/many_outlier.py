"""Linear regression among many outliers that are all alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from probe.errors import ProbeError
from probe.fields import Dimension, Share
from probe.randomness import Source
from probe.tasks.prompts import Prompts, paired, truncate
from probe.tasks.task import Task


@dataclass(frozen=True)
class ManyOutlier(Task):
    """Draws y = w.x as `linear` does, and replaces most pairs by x = (1, ..., 1), y = 1.

    Park et al. (2024), arXiv:2402.04248, "many-outlier regression", with 512 points. Each point is replaced
    independently, the first and the last too, and a query at an outlier does not count. With w = (1, -2), a clean
    x = (3, 1) and an outlier, the pairs are ((3, 1), 1) and ((1, 1), 1). The variance of a target that counts is dim.

    Args:
        dim: dimension of x.
        probability: how likely a pair is an outlier.
    """

    linear: ClassVar[bool] = True
    appendable: ClassVar[bool] = False
    references: ClassVar[tuple[str, ...]] = ("masked_least_squares",)

    dim: Dimension = 20
    probability: Share = 0.9

    def __post_init__(self) -> None:
        super().__post_init__()
        check_probability(self.probability)

    def draw(self, source: Source, context: int, active: int | None = None) -> Prompts:
        """Draws prompts with `context` examples before the last query; coordinates from `active` on are 0.

        They are 0 in the outliers too; the released code leaves them at 1.
        """
        w = source.normal(self.dim)
        clean = source.uniform(context + 1) >= self.probability
        x = torch.where(clean[..., None], source.normal(context + 1, self.dim), 1.0)
        x = truncate(x, active)
        y = torch.where(clean, torch.einsum("bcd,bd->bc", x, w), 1.0)
        return paired(x, y, {"w": w, "clean": clean}, counted=clean)

    @property
    def variance(self) -> float:
        """The expected square of a target that counts: the mean squared error of predicting zero."""
        return float(self.dim)


def check_probability(probability: float) -> None:
    """Refuses what is no probability, or leaves no clean pair.

    Raises:
        ProbeError: if it is not at least 0 and less than 1.
    """
    if not 0 <= probability < 1:
        raise ProbeError(
            f"An outlier probability of {probability} was given, but at least 0 and less than 1 is needed. "
            "Correct the value."
        )
