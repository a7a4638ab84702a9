"""Ridge regression with a penalty of its own for every block."""

from __future__ import annotations

from typing import ClassVar

import torch
from jaxtyping import Float64
from torch import Tensor

from probe.evidence.families.family import Family
from probe.evidence.families.moments import Moments


class RidgePerBlock(Family):
    """w_l = (X'X + mu_l)^-1 X'y, the penalties mu_l fitted for all prompts.

    With the noise's variance over that of a coordinate of w it is the Bayes-optimal answer to noisy values, and kernel
    ridge regression with a linear kernel gives the same. The unit of the penalties is the mean over prompts of the
    largest eigenvalue of X'X.
    """

    name: ClassVar[str] = "ridge_per_block"

    def starts(self, blocks: int, dim: int) -> list[Float64[Tensor, " number"]]:
        """Returns logarithms of penalties that fall quickly and slowly."""
        return [torch.linspace(first, last, blocks, dtype=torch.float64) for first, last in ((2.0, -7.0), (0.0, -3.0))]

    def path(self, numbers: Float64[Tensor, " number"], given: Moments, blocks: int) -> list[Tensor]:
        """Returns 0 before the first block, and the solution of each."""
        identity = torch.eye(given.hessian.shape[-1], dtype=torch.float64)
        # beyond these bounds a penalty is all or nothing, and a solution no better conditioned
        penalties = given.unit * numbers.clamp(-23.0, 23.0).exp()
        solved = [torch.linalg.solve(given.hessian + each * identity, given.correlation) for each in penalties]
        return [given.zero, *solved]

    def told(self, numbers: Float64[Tensor, " number"], blocks: int) -> dict[str, list[float]]:
        """Returns the penalties."""
        return {"penalty": numbers.clamp(-23.0, 23.0).exp().tolist()}
