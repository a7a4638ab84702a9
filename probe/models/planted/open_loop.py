"""Ridge solutions of ever smaller penalties, computed from the tokens alone."""

from __future__ import annotations

import torch
from jaxtyping import Float64
from torch import Tensor

from probe.models.planted.moments import largest, moments, solution
from probe.models.planted.way import Seen, Way

DECADES = 4
"""Of the penalties, from the largest eigenvalue of X'X down."""


class OpenLoop(Way):
    """Writes the step from one ridge solution to the next, less penalised one.

    It improves the answer at every block and iterates nothing: no block reads what one before it wrote.
    """

    def change(self, seen: Seen) -> Float64[Tensor, "batch time dim"]:
        """Returns the step."""
        found = moments(seen.token)
        return self.ridge(*found, self.index + 1) - self.ridge(*found, self.index)

    def ridge(self, hessian: Tensor, correlation: Tensor, step: int) -> Float64[Tensor, "batch time dim"]:
        """Returns the ridge solution after so many blocks: 0 before the first, least squares after the last."""
        if step in (0, self.blocks):
            return solution(hessian, correlation) * float(step > 0)
        penalty = largest(hessian)[..., None] * 10.0 ** (-DECADES * (step - 1) / max(1, self.blocks - 2))
        eye = torch.eye(self.dim, dtype=hessian.dtype, device=hessian.device)
        solved: Tensor = torch.linalg.solve(hessian + penalty * eye, correlation)
        return solved
