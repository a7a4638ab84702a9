"""What families of algorithms are made of: the examples' sums of squares and products, in float64."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

from probe.learners import Examples


@dataclass(frozen=True, eq=False)
class Moments:
    """The examples of prompts, and X'X, X'y and the largest eigenvalue of X'X of each.

    Attributes:
        unit: the mean of the largest eigenvalues over the prompts that a family is fitted on.
    """

    x: Float64[Tensor, "prompt example dim"]
    y: Float64[Tensor, "prompt example"]
    hessian: Float64[Tensor, "prompt dim dim"]
    correlation: Float64[Tensor, "prompt dim"]
    largest: Float64[Tensor, "prompt 1"]
    unit: float

    @property
    def zero(self) -> Float64[Tensor, "prompt dim"]:
        """The weights before the first step."""
        return torch.zeros_like(self.correlation)

    def descent(self, w: Float64[Tensor, "prompt dim"]) -> Float64[Tensor, "prompt dim"]:
        """Returns X'(y - X w)."""
        left: Tensor = self.correlation - torch.einsum("pij,pj->pi", self.hessian, w)
        return left


def moments(examples: Examples, unit: float | None = None) -> Moments:
    """Returns the moments of examples.

    Args:
        unit: of the prompts that a family was fitted on; these are such prompts unless it is given.
    """
    x, y = examples.x.double(), examples.y.double()
    hessian, correlation = x.mT @ x, torch.einsum("pnd,pn->pd", x, y)
    largest = torch.linalg.eigvalsh(hessian)[:, -1:].clamp(min=1e-12)
    return Moments(x, y, hessian, correlation, largest, float(largest.mean()) if unit is None else unit)
