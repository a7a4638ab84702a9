"""What a task's predictions are trained on and judged by: squared error, the sign of y, or a class.

`error` is always a sum over a sum of what knowing nothing would cost, so that 1 is no better than that: the squared
error over that of predicting zero, or the share of wrong answers over that of guessing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

ZERO, GUESS = "predicting zero", "knowing nothing"
"""What an error of 1 is: of a number, that of predicting zero; of a sign or a symbol, that of guessing."""


@dataclass(frozen=True)
class Objective:
    """How predictions become a loss and an error.

    Args:
        loss: takes predictions and targets, returns each query's loss.
        cost: takes predictions (with any leading axes) and targets, returns each query's cost.
        guess: takes targets and the number of outputs, returns what knowing nothing would cost.
        encode: turns targets into what a linear head is fitted to.
        unit: what an error of 1 is, in words.
        accuracy: whether 1 less the cost is the share of right answers.
    """

    loss: Callable[[Tensor, Tensor], Tensor]
    cost: Callable[[Tensor, Tensor], Tensor]
    guess: Callable[[Tensor, int], Tensor]
    encode: Callable[[Tensor, int], Tensor]
    unit: str = ZERO
    accuracy: bool = False


def _squares(
    predicted: Float[Tensor, "*lead batch query target"], target: Float[Tensor, "batch query target"]
) -> Float[Tensor, "*lead batch query"]:
    return (predicted.double() - target.double()).square().sum(-1)


def _mean_square(
    predicted: Float[Tensor, "batch query target"], target: Float[Tensor, "batch query target"]
) -> Float[Tensor, "batch query"]:
    return (predicted - target).square().mean(-1)


def _logistic(
    predicted: Float[Tensor, "batch query 1"], target: Float[Tensor, "batch query 1"]
) -> Float[Tensor, "batch query"]:
    return F.softplus(-predicted * target)[..., 0]


def _wrong_sign(
    predicted: Float[Tensor, "*lead batch query 1"], target: Float[Tensor, "batch query 1"]
) -> Float[Tensor, "*lead batch query"]:
    # a prediction of exactly zero is a coin that was not tossed: half wrong
    return (0.5 * (1 - (predicted.double() * target.double()).sign()))[..., 0]


def _cross_entropy(
    predicted: Float[Tensor, "batch query symbol"], target: Shaped[Tensor, "batch query 1"]
) -> Float[Tensor, "batch query"]:
    return F.cross_entropy(predicted.transpose(1, 2), target[..., 0].long(), reduction="none")


def _wrong_class(
    predicted: Float[Tensor, "*lead batch query symbol"], target: Shaped[Tensor, "batch query 1"]
) -> Float[Tensor, "*lead batch query"]:
    return (predicted.argmax(-1) != target[..., 0]).double()


OBJECTIVES: dict[str, Objective] = {
    "squared": Objective(
        _mean_square, _squares, lambda target, _: target.double().square().sum(-1), lambda target, _: target
    ),
    "sign": Objective(
        _logistic,
        _wrong_sign,
        lambda target, _: torch.full_like(target[..., 0], 0.5).double(),
        lambda target, _: target,
        GUESS,
        True,
    ),
    "symbol": Objective(
        _cross_entropy,
        _wrong_class,
        lambda target, symbols: torch.full_like(target[..., 0], 1 - 1 / symbols, dtype=torch.float64),
        lambda target, symbols: F.one_hot(target[..., 0].long(), symbols).float(),
        GUESS,
        True,
    ),
}


def mean_counted(values: Float[Tensor, "batch query"], counted: Bool[Tensor, "batch query"]) -> Float[Tensor, ""]:
    """Returns the mean of the values that count; 0 where none does."""
    return (values * counted).sum() / counted.sum().clamp(min=1)
