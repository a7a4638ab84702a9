"""Linear regression in context: y = w.x."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from probe.fields import Dimension, Range, Scale
from probe.randomness import Source, pool
from probe.tasks.choices import check_functions, weights
from probe.tasks.prompts import Prompts, paired, truncate
from probe.tasks.task import Task


@dataclass(frozen=True)
class Linear(Task):
    """Draws w ~ N(0, I) and x ~ N(0, I) per prompt and asks for y = w.x (Garg et al., 2022, arXiv:2208.01066).

    With w = (1, -2) and x = (3, 1), y = 1. The target's variance is dim * x_scale² * y_scale².

    Args:
        dim: dimension of x.
        x_scale: factor on x.
        y_scale: factor on y.
        functions: how many different w there are; 0 draws a fresh one for each prompt. With 1 there is nothing to
            learn in context, a control; small pools are those of Raventós et al. (2023), arXiv:2306.15063.
    """

    linear: ClassVar[bool] = True
    references: ClassVar[tuple[str, ...]] = ("least_squares", "averaging", "knn")

    dim: Dimension = 20
    x_scale: Scale = 1.0
    y_scale: Scale = 1.0
    functions: Annotated[int, Range(0, 2**20)] = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_functions(self.functions, self.dim)

    def draw(self, source: Source, context: int, active: int | None = None) -> Prompts:
        """Draws prompts with `context` examples before the last query; coordinates from `active` on are 0."""
        w = weights(source, self.dim, self.functions)
        x = truncate(source.normal(context + 1, self.dim) * self.x_scale, active)
        y = self.y_scale * torch.einsum("bcd,bd->bc", x, w)
        return paired(x, y, {"w": self.y_scale * w})

    @property
    def known(self) -> Tensor | None:
        """The w that there are, where they are a finite set."""
        return self.y_scale * pool(self.functions, self.dim) if self.functions else None

    @property
    def variance(self) -> float:
        """The target's expected square: the mean squared error of predicting zero."""
        return self.dim * self.x_scale**2 * self.y_scale**2
