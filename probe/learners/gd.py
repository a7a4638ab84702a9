"""Gradient descent on the squares of the examples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import torch
from jaxtyping import Float64
from torch import Tensor

from probe.fields import Checked, Range
from probe.learners.examples import Examples
from probe.learners.learner import IterativeLearner, Map
from probe.learners.step_size import Rate, step_size


@dataclass(frozen=True)
class GradientDescent(Checked, IterativeLearner):
    """Predicts after steps of w <- w - rate X'(Xw - y) / n, from w = 0 (Grazzi et al., 2024, section 3.2).

    Args:
        steps: how many.
        rate: ``optimal``, as in the paper, ``inverse_lipschitz`` or a number, by the Hessian X'X / n of each prompt.
    """

    steps: Annotated[int, Range(0, 100_000)] = 24
    rate: Rate = "optimal"

    def iterates(self, examples: Examples) -> Float64[Tensor, "step batch dim"]:
        """Returns the weights before the first step, which are 0, and after every step."""
        found = [torch.zeros_like(examples.second_moments()[1])]
        for step in self.maps(examples):
            found.append(step(found[-1]))
        return torch.stack(found)

    def maps(self, examples: Examples) -> Iterator[Map]:
        """Yields the same step as often as there are steps."""
        hessian, correlation = examples.second_moments()
        rate = step_size(hessian, self.rate)
        for _ in range(self.steps):
            yield lambda weights: weights - rate * (torch.einsum("bij,bj->bi", hessian, weights) - correlation)
