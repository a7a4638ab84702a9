"""Least squares that is told which examples are outliers."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float64
from torch import Tensor

from probe.errors import ProbeError
from probe.learners.examples import Examples
from probe.learners.learner import LinearLearner
from probe.learners.least_squares import LeastSquares


@dataclass(frozen=True)
class MaskedLeastSquares(LinearLearner):
    """Predicts by least squares on the clean examples alone: what knowing the outliers would be worth.

    The reference of regression with outliers (Park et al., 2024, arXiv:2402.04248).
    """

    def weights(self, examples: Examples) -> Float64[Tensor, "batch dim"]:
        """Returns the solution of each prompt, 0 without clean examples.

        Raises:
            ProbeError: if the examples do not say which are clean.
        """
        if examples.clean is None:
            raise ProbeError(
                "masked_least_squares was given examples without marks, but it needs to know which are clean. "
                "Use a task with outliers."
            )
        # a row of zeros in x and y changes neither the squares nor the norm
        kept = examples.clean.to(examples.x.dtype)
        return LeastSquares().weights(Examples(examples.x * kept.unsqueeze(-1), examples.y * kept))
