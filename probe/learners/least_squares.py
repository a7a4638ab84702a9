"""Least squares on the examples of each prompt."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

from probe.learners.examples import Examples
from probe.learners.learner import LinearLearner


@dataclass(frozen=True)
class LeastSquares(LinearLearner):
    """Predicts by the least-norm least-squares solution of the examples.

    Computed in float64, so that an exact fit shows an error of rounding alone, not of float32. On ``y = w.x`` with
    isotropic x its normalised error is max(0, 1 - examples / dim) (Garg et al., 2022, arXiv:2208.01066).
    """

    def weights(self, examples: Examples) -> Float64[Tensor, "batch dim"]:
        """Returns the solution of each prompt, 0 without examples."""
        x, y = examples.x.double(), examples.y.double()
        if examples.count == 0:
            return x.new_zeros(len(x), x.shape[-1])
        # this driver finds the least-norm solution whatever the rank, on the CPU alone
        solution: Tensor = torch.linalg.lstsq(x.cpu(), y.cpu().unsqueeze(-1), driver="gelsd").solution
        return solution.squeeze(-1).to(y.device)
