"""Least squares that knows how the noise is correlated."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from probe.fields import Checked, NotNegative, Share
from probe.learners.examples import Examples
from probe.learners.learner import Learner
from probe.learners.singular import decompose


@dataclass(frozen=True)
class GeneralisedLeastSquares(Checked, Learner):
    """Predicts by the w that minimises (y - Xw)' C^-1 (y - Xw) + penalty |w|², where C has correlation^|i - j|.

    The noise is made white by taking from each example that share of the one before (Prais & Winsten, 1954). The
    prediction adds what is known of the query's noise, correlation times the last residual (Goldberger, 1962). With the
    default penalty it is Bayes-optimal for w ~ N(0, I) that does not drift.

    Args:
        correlation: how much of the noise stays from point to point.
        penalty: 0 or more; none for the noise's variance times 1 - correlation², or 0 where the noise is unknown.
        corrected: whether the last residual is used.
    """

    correlation: Share = 0.9
    penalty: NotNegative | None = None
    corrected: bool = True

    def predict(self, examples: Examples, query: Float[Tensor, "batch dim"]) -> Float[Tensor, " batch"]:
        """Returns the predicted y of each prompt's query."""
        w = self._weights(examples)
        predicted = (w * query.double()).sum(-1)
        if self.corrected and examples.count:
            last = examples.y[:, -1].double() - (w * examples.x[:, -1].double()).sum(-1)
            predicted = predicted + self.correlation * last
        return predicted.to(examples.y.dtype)

    def _weights(self, examples: Examples) -> Float64[Tensor, "batch dim"]:
        x, y = self._whitened(examples.x.double()), self._whitened(examples.y.double()[..., None])[..., 0]
        left, values, right = decompose(x)
        penalty = self._penalty(examples).unsqueeze(-1)
        filtered = torch.where(values > 0, values / (values.square() + penalty), 0.0)
        return torch.einsum("brd,br,bnr,bn->bd", right, filtered, left, y)

    def _whitened(self, rows: Float64[Tensor, "batch examples each"]) -> Float64[Tensor, "batch examples each"]:
        return torch.cat([self._fresh**0.5 * rows[:, :1], rows[:, 1:] - self.correlation * rows[:, :-1]], dim=1)

    @property
    def _fresh(self) -> float:
        """The share of the noise's variance that is new at every point."""
        return 1 - self.correlation**2

    def _penalty(self, examples: Examples) -> Float64[Tensor, " batch"]:
        if self.penalty is None and examples.noise is not None:
            return self._fresh * examples.noise.double().square()
        return examples.x.new_full((len(examples.x),), self.penalty or 0.0, dtype=torch.float64)
