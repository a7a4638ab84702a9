"""Gradient descent in one pass over the examples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float64
from torch import Tensor

from probe.fields import Checked, Positive
from probe.learners.examples import Examples
from probe.learners.learner import IterativeLearner


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
        x, y = examples.x.double(), examples.y.double()
        found = [x.new_zeros(len(x), x.shape[-1])]
        for each, value in zip(x.unbind(1), y.unbind(1), strict=True):
            surprise = value - (found[-1] * each).sum(-1)
            found.append(found[-1] + (self._rate(each) * surprise).unsqueeze(-1) * each)
        return torch.stack(found)

    def _rate(self, x: Float64[Tensor, "batch dim"]) -> Float64[Tensor, " batch"]:
        squared = x.square().sum(-1)
        if not isinstance(self.rate, str):
            return torch.full_like(squared, self.rate)
        return torch.where(squared > 0, 1 / squared, 0.0)
