"""The Kalman filter of weights that drift, seen through noise that remembers."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from probe.fields import Checked, Share, Spread
from probe.kernels.kalman import kalman
from probe.learners.examples import Examples
from probe.learners.learner import Learner


@dataclass(frozen=True)
class Kalman(Checked, Learner):
    """Predicts the posterior mean of y where w and the noise on y are autoregressions (Kalman, 1960).

    It is Bayes-optimal on the task `linear_system` of the same options. With decay 1 and correlation 0 it is ridge with
    the penalty noise².

    Args:
        decay: how much of w stays from point to point.
        correlation: how much of the noise stays from point to point.
        noise: the noise's standard deviation.
    """

    decay: Share = 0.98
    correlation: Share = 0.9
    noise: Spread = 1.0

    def predict(self, examples: Examples, query: Float[Tensor, "batch dim"]) -> Float[Tensor, " batch"]:
        """Returns the predicted y of each prompt's query."""
        x = torch.cat([examples.x, query[:, None]], dim=1)
        y = torch.cat([examples.y, torch.zeros_like(query[:, :1], dtype=examples.y.dtype)], dim=1)
        mean = kalman(x, y, self.decay, self.correlation, self.noise).mean[:, -1]
        predicted: Tensor = (mean[:, :-1] * query.double()).sum(-1) + mean[:, -1]
        return predicted.to(examples.y.dtype)
