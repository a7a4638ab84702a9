"""Least squares on a power of every coordinate of x."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from jaxtyping import Float
from torch import Tensor

from probe.fields import Checked, Range
from probe.learners.examples import Examples
from probe.learners.learner import Learner
from probe.learners.least_squares import LeastSquares


@dataclass(frozen=True)
class PowerLeastSquares(Checked, Learner):
    """Predicts by the least-norm least-squares solution on x^power, coordinate by coordinate.

    What knowing the class would be worth on `quadratic` and `cubic` (code of Garg et al., 2022): no error from dim
    examples on.

    Args:
        power: of every coordinate, at least 1.
    """

    power: Annotated[int, Range(1, 64)] = 2

    def predict(self, examples: Examples, query: Float[Tensor, "batch dim"]) -> Float[Tensor, " batch"]:
        """Returns the predicted y of each prompt's query."""
        raised = Examples(examples.x.double() ** self.power, examples.y)
        return LeastSquares().predict(raised, query.double() ** self.power)
