"""Least squares on a power of every coordinate of x."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from probe.errors import ProbeError
from probe.learners.examples import Examples
from probe.learners.learner import Learner
from probe.learners.least_squares import LeastSquares


@dataclass(frozen=True)
class PowerLeastSquares(Learner):
    """Predicts by the least-norm least-squares solution on x^power, coordinate by coordinate.

    What knowing the class would be worth on `quadratic` and `cubic` (code of Garg et al., 2022): no error from dim
    examples on.

    Args:
        power: of every coordinate, at least 1.
    """

    power: int = 2

    def __post_init__(self) -> None:
        if self.power < 1:
            raise ProbeError(f"A power of {self.power} was given, but at least 1 is needed. Correct the value.")

    def predict(self, examples: Examples, query: Float[Tensor, "batch dim"]) -> Float[Tensor, " batch"]:
        """Returns the predicted y of each prompt's query."""
        raised = Examples(examples.x.double() ** self.power, examples.y)
        return LeastSquares().predict(raised, query.double() ** self.power)
