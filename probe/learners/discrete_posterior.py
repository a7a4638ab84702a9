"""The posterior mean where w is one of a known, finite set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from jaxtyping import Float64
from torch import Tensor

from probe.fields import Checked, Range, Scale
from probe.learners.examples import Examples
from probe.learners.learner import LinearLearner
from probe.randomness import pool

NOISE = 0.05
"""The standard deviation that is taken where y has no noise, in units of y's root mean square over the examples."""


@dataclass(frozen=True)
class DiscretePosterior(Checked, LinearLearner):
    """Predicts by the mean of a pool's w, weighted by exp(-|Xw - y|² / 2 noise²).

    The discrete minimum mean squared error estimator (dMMSE) of Raventós et al. (2023), arXiv:2306.15063, section 2.
    The pool is that of the tasks' option ``functions``. Without noise, all w but one become impossible after the first
    example that tells them apart; a little noise is taken then, so that which is nearest decides.

    Args:
        functions: how many different w there are.
        y_scale: factor on every w, as in the task.
    """

    functions: Annotated[int, Range(1, 2**20)] = 16
    y_scale: Scale = 1.0

    def weights(self, examples: Examples) -> Float64[Tensor, "batch dim"]:
        """Returns the posterior mean of each prompt."""
        known = self.y_scale * pool(self.functions, examples.x.shape[-1]).to(examples.x.device).double()
        return posterior_mean(examples, known, noise(examples).square())


def noise(examples: Examples) -> Float64[Tensor, " batch"]:
    """Returns the standard deviation of each prompt's noise, or the least that is taken."""
    least = NOISE * examples.y.double().square().mean(1).sqrt() if examples.count else examples.y.new_ones(1).double()
    least = least.expand(len(examples.y)).clamp(min=torch.finfo(torch.float64).tiny)
    return least if examples.noise is None else examples.noise.double().maximum(least)


def posterior_mean(
    examples: Examples, known: Float64[Tensor, "function dim"], variance: Float64[Tensor, " batch"]
) -> Float64[Tensor, "batch dim"]:
    """Returns the mean of known w under the posterior of each prompt, all equally likely before the first example.

    Args:
        variance: of the noise on y.
    """
    wrong = torch.einsum("bnd,fd->bnf", examples.x.double(), known) - examples.y.double()[..., None]
    chances = (-wrong.square().sum(1) / (2 * variance[:, None])).softmax(-1)
    found: Tensor = chances @ known
    return found
