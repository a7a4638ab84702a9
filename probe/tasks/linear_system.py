"""Regression on weights that drift, seen through noise that remembers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from probe.fields import Dimension, Share, Spread
from probe.kernels.kalman import kalman
from probe.randomness import Source
from probe.tasks.prompts import Prompts, paired, truncate
from probe.tasks.task import Task


@dataclass(frozen=True)
class LinearSystem(Task):
    """Draws y_t = w_t.x_t + v_t of weights w that drift and noise v that is correlated, a linear-Gaussian system.

    Each coordinate of w is an autoregression of variance 1, w_t = decay w_(t-1) + sqrt(1 - decay²) q_t, and so is the
    noise, v_t = correlation v_(t-1) + sqrt(1 - correlation²) noise e_t, with x, q, e standard normal. Of such systems
    Zhang & Xing (2026), arXiv:2602.17744, say that the Bayes filter predicts better than any minimiser of the
    examples' squares, which weighs them without regard to their order; the values of the options are ours. With decay 1
    and correlation 0 it is `noisy_linear`, and ridge is the filter. Drawn beside x and y are, before each y, the
    Kalman filter's ``kalman_mean`` of w, its ``kalman_gain`` (by which an error of the predicted y will correct it),
    the predicted ``kalman_noise``, and the true ``weights``. The target is the noisy y; its variance is dim + noise².

    Args:
        dim: dimension of x.
        decay: how much of w stays from point to point.
        correlation: how much of the noise stays from point to point.
        noise: standard deviation of the noise.
    """

    references: ClassVar[tuple[str, ...]] = ("ridge", "generalised_least_squares", "least_squares", "gd")
    appendable: ClassVar[bool] = False

    dim: Dimension = 5
    decay: Share = 0.98
    correlation: Share = 0.9
    noise: Spread = 1.0

    def draw(self, source: Source, context: int, active: int | None = None) -> Prompts:
        """Draws prompts with `context` examples before the last query; coordinates from `active` on are 0."""
        points = context + 1
        x = truncate(source.normal(points, self.dim), active)
        weights = autoregression(source.normal(points, self.dim), self.decay)
        noise = self.noise * autoregression(source.normal(points, 1), self.correlation)[..., 0]
        y = torch.einsum("bpd,bpd->bp", x, weights) + noise
        found = kalman(x, y, self.decay, self.correlation, self.noise)
        drawn = {
            "weights": weights,
            "noise": torch.full_like(y[:, 0], self.noise),
            "kalman_mean": found.mean[..., :-1].float(),
            "kalman_noise": found.mean[..., -1:].float(),
            "kalman_gain": found.gain[..., :-1].float(),
        }
        return paired(x, y, drawn)

    def optimal(self, prompts: Prompts) -> Float[Tensor, "batch query 1"]:
        """Returns the filter's mean of each y given those before, which no prediction improves on in expectation."""
        drawn = prompts.parameters
        predicted = (drawn["kalman_mean"] * prompts.x).sum(-1, keepdim=True) + drawn["kalman_noise"]
        return predicted[:, list(prompts.contexts)]

    @property
    def variance(self) -> float:
        """The target's expected square: the mean squared error of predicting zero."""
        return float(self.dim) + self.noise**2


def autoregression(drawn: Float[Tensor, "batch point value"], stays: float) -> Float[Tensor, "batch point value"]:
    """Returns autoregressions of variance 1 made of standard normal draws."""
    steps, fresh = [drawn[:, 0]], (1 - stays**2) ** 0.5
    for new in drawn[:, 1:].unbind(1):
        steps.append(stays * steps[-1] + fresh * new)
    return torch.stack(steps, dim=1)
