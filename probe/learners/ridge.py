"""Ridge regression, by default with the penalty that is optimal for the task."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

from probe.fields import Checked, NotNegative
from probe.learners.examples import Examples
from probe.learners.learner import LinearLearner
from probe.learners.singular import decompose


@dataclass(frozen=True)
class Ridge(Checked, LinearLearner):
    """Predicts by the w that minimises |Xw - y|² + penalty |w|².

    The default penalty is the examples' noise variance, which makes w the posterior mean, and the prediction
    Bayes-optimal, for w ~ N(0, I); where the noise is unknown it is 0, and w least squares of least norm.

    Args:
        penalty: 0 or more; none for the default.
    """

    penalty: NotNegative | None = None

    def weights(self, examples: Examples) -> Float64[Tensor, "batch dim"]:
        """Returns the minimiser of each prompt."""
        left, values, right = decompose(examples.x)
        penalty = self._penalty(examples).unsqueeze(-1)
        filtered = torch.where(values > 0, values / (values.square() + penalty), 0.0)
        return torch.einsum("brd,br,bnr,bn->bd", right, filtered, left, examples.y.double())

    def _penalty(self, examples: Examples) -> Float64[Tensor, " batch"]:
        if self.penalty is None and examples.noise is not None:
            return examples.noise.double().square()
        return examples.x.new_full((len(examples.x),), self.penalty or 0.0, dtype=torch.float64)
