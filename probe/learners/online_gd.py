"""Gradient descent in one pass over the examples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from jaxtyping import Float64
from torch import Tensor

from probe.fields import Checked, Positive
from probe.learners.examples import Examples
from probe.learners.learner import IterativeLearner, Map


@dataclass(frozen=True)
class OnlineGradientDescent(Checked, IterativeLearner):
    """Predicts after one pass of w <- w + rate (y - w.x) x over the examples, in their order.

    Args:
        rate: a number, or ``projection`` for 1 / |x|², by which each step fits its example exactly (Kaczmarz, 1937);
            its normalised error on `linear` is (1 - 1 / dim)^examples.
    """

    rate: Literal["projection"] | Positive = "projection"

    def iterates(self, examples: Examples) -> Float64[Tensor, "step batch dim"]:
        """Returns the weights before the first example, which are 0, and after every example."""
        found = [examples.x.double().new_zeros(len(examples.x), examples.x.shape[-1])]
        for step in self.maps(examples):
            found.append(step(found[-1]))
        return torch.stack(found)

    def maps(self, examples: Examples) -> Iterator[Map]:
        """Yields a step for every example, in their order."""
        for x, y in zip(examples.x.double().unbind(1), examples.y.double().unbind(1), strict=True):
            yield partial(self._corrected, x, y)

    def _corrected(
        self, x: Float64[Tensor, "batch dim"], y: Float64[Tensor, " batch"], weights: Float64[Tensor, "batch dim"]
    ) -> Float64[Tensor, "batch dim"]:
        surprise = y - (weights * x).sum(-1)
        return weights + (self._rate(x) * surprise).unsqueeze(-1) * x

    def _rate(self, x: Float64[Tensor, "batch dim"]) -> Float64[Tensor, " batch"]:
        squared = x.square().sum(-1)
        if not isinstance(self.rate, str):
            return torch.full_like(squared, self.rate)
        return torch.where(squared > 0, 1 / squared, 0.0)
