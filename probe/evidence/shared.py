"""Layers beside the steps of an algorithm, with a scale for each and the model's own error fitted apart.

A model that ends a little off has that error in its later layers too. An algorithm cannot know it, and a null that is
the model's own final answer contains it. So a layer is compared with s times a step plus c times what the last layer's
answer and the algorithm's own last step, scaled, differ by.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

TINY = 1e-12
SLIGHT = 1e-4
"""What the squares of the error are raised by, in units of those of the last layer's answers.

Of a model that ends almost exactly the error is rounding on most prompts, and a factor that is fitted to it is any
number; on one prompt where it is not, a large one would be all there is.
"""


@dataclass(frozen=True, eq=False)
class Shared:
    """The factors by which steps and the shared error come closest to the layers, for every layer and step.

    Attributes:
        scales: of the step.
        shares: of the shared error.
        distances: the squared distance that is left.
    """

    scales: Float64[Tensor, "layer step"]
    shares: Float64[Tensor, "layer step"]
    distances: Float64[Tensor, "layer step"]


def shared_error(
    answers: Float64[Tensor, "layer prompt query"],
    predicted: Float64[Tensor, "step prompt query"],
    error: Float64[Tensor, "prompt query"],
) -> Shared:
    """Returns the factors of every layer with every step, by least squares over prompts and queries.

    Args:
        predicted: the answers of each step.
        error: what the last layer's answer and the algorithm's differ by.
    """
    steps, both = _squares(predicted), torch.einsum("spq,pq->s", predicted, error)
    own = _squares(error) + SLIGHT * _squares(answers[-1])
    with_steps = torch.einsum("lpq,spq->ls", answers, predicted)
    with_error = torch.einsum("lpq,pq->l", answers, error)[:, None]
    # where step and error are the same direction, or one of them is nothing, the step alone is fitted
    determinant = steps * own - both.square()
    whole = determinant > 1e-9 * steps * own + TINY**2
    safe = determinant.where(whole, torch.ones_like(determinant))
    scales = torch.where(whole, (own * with_steps - both * with_error) / safe, ratio(with_steps, steps))
    shares = torch.where(whole, (steps * with_error - both * with_steps) / safe, torch.zeros_like(scales))
    # with the penalty the factors are not those of least squares: what they leave is counted out
    left = _squares(answers)[:, None] - 2 * (scales * with_steps + shares * with_error)
    left = left + scales.square() * steps + 2 * scales * shares * both + shares.square() * _squares(error)
    return Shared(scales, shares, left.clamp(min=0))


def ratio(above: Tensor, below: Tensor) -> Tensor:
    """Returns a quotient, 0 where there is nothing to divide by."""
    positive = below > 0
    return torch.where(positive, above / below.where(positive, torch.ones_like(below)), torch.zeros_like(above))


def _squares(values: Tensor) -> Tensor:
    return values.square().sum((-2, -1))
