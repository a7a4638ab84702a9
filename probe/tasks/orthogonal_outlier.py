"""Linear regression among outliers that are orthogonal to w."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from probe.fields import Dimension, Share
from probe.randomness import Source
from probe.tasks.many_outlier import check_probability
from probe.tasks.prompts import Prompts, interleave, paired, truncate
from probe.tasks.task import Task


@dataclass(frozen=True)
class OrthogonalOutlier(Task):
    """Draws y = w.x as `linear` does, and replaces some pairs by two vectors orthogonal to w.

    Park et al. (2024), arXiv:2402.04248, "orthogonal-outlier regression", with 101 points. An outlier's x and y tokens
    are both of the form (a u + b v) / (a² + b²) with a, b ~ N(0, 1) of their own and with u, v one pair a prompt,
    standard normal, made orthogonal to w and to one another. Each point is replaced independently, the first and the
    last too, and a query at an outlier does not count. With w = (0, 0, 2), u = (1, 0, 0), v = (0, 3, 0), a = 1 and
    b = -1, the token is (0.5, -1.5, 0). The variance of a target that counts is dim. The tokens have heavy tails:
    the density of their norm falls with its power -3, so that their variance is infinite.

    `Prompts.y` holds the first coordinate of an outlier's y token.

    Args:
        dim: dimension of x.
        probability: how likely a pair is an outlier.
        released: whether outliers are made as in the released code: one x and one y token a prompt, the same at every
            outlier; each orthogonal to another w, not the prompt's; a divided by a² + b², then b by (new a)² + b²; and
            with every coordinate, however many are active.
    """

    linear: ClassVar[bool] = True
    appendable: ClassVar[bool] = False
    references: ClassVar[tuple[str, ...]] = ("masked_least_squares",)

    dim: Dimension = 20
    probability: Share = 0.5
    released: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_probability(self.probability)

    def draw(self, source: Source, context: int, active: int | None = None) -> Prompts:
        """Draws prompts with `context` examples before the last query; coordinates from `active` on are 0.

        They are 0 in the outliers too, which are then orthogonal to what is active of w.
        """
        w = source.normal(self.dim)
        clean = source.uniform(context + 1) >= self.probability
        x = truncate(source.normal(context + 1, self.dim), active)
        y = torch.einsum("bcd,bd->bc", x, w)
        if self.released:
            x_outlier, y_outlier = (self._released(source)[:, None].expand_as(x) for _ in range(2))
        else:
            x_outlier, y_outlier = self._intended(source, w, context + 1, active)
        x = torch.where(clean[..., None], x, x_outlier)
        y = torch.where(clean, y, y_outlier[..., 0])
        tokens = interleave(x, y)
        outlying = ~clean[:, :-1, None]
        tokens[:, 1::2] = torch.where(outlying, y_outlier[:, :-1], tokens[:, 1::2])
        return replace(paired(x, y, {"w": w, "clean": clean}, counted=clean), inputs=tokens)

    def _intended(
        self, source: Source, w: Float[Tensor, "batch dim"], points: int, active: int | None
    ) -> tuple[Float[Tensor, "batch point dim"], Float[Tensor, "batch point dim"]]:
        plane = torch.stack(self._plane(source, truncate(w[:, None], active)[:, 0], active), dim=1)
        # a and b of x, then those of y
        coefficients = source.normal(points, 2, 2)
        shares = coefficients / coefficients.square().sum(-1, keepdim=True)
        outliers = torch.einsum("bpts,bsd->tbpd", shares, plane)
        return outliers[0], outliers[1]

    def _released(self, source: Source) -> Float[Tensor, "batch dim"]:
        u, v = self._plane(source, source.normal(self.dim), None)
        a, b = source.normal(2)[..., None].unbind(1)
        a = a / (a.square() + b.square())
        b = b / (a.square() + b.square())
        return a * u + b * v

    def _plane(
        self, source: Source, w: Float[Tensor, "batch dim"], active: int | None
    ) -> tuple[Float[Tensor, "batch dim"], Float[Tensor, "batch dim"]]:
        """Returns u, orthogonal to w, and v, orthogonal to both."""
        drawn = truncate(source.normal(2, self.dim), active)
        u = _without(drawn[:, 0], w)
        return u, _without(_without(drawn[:, 1], w), u)

    @property
    def variance(self) -> float:
        """The expected square of a target that counts: the mean squared error of predicting zero."""
        return float(self.dim)


def _without(vector: Float[Tensor, "batch dim"], other: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch dim"]:
    """Returns a vector without its projection on another."""
    square = other.square().sum(-1, keepdim=True).clamp(min=torch.finfo(other.dtype).tiny)
    return vector - (vector * other).sum(-1, keepdim=True) / square * other
