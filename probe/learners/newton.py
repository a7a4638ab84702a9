"""The iterative Newton method for the pseudo-inverse, and its relatives of higher order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Annotated

import torch
from jaxtyping import Float64
from torch import Tensor

from probe.fields import Checked, Range
from probe.learners.examples import Examples
from probe.learners.learner import IterativeLearner, Map
from probe.learners.singular import decompose


@dataclass(frozen=True)
class Newton(Checked, IterativeLearner):
    """Predicts by w = M X'y, where M approaches the inverse of S = X'X by M <- 2 M - M S M (Newton-Schulz).

    Fu et al. (2024), arXiv:2310.17086: M starts at alpha S with alpha in (0, 2 / |S²|). At that end the component of
    the largest eigenvalue is lost for good, so that alpha is 1 / |S²|, of the spectral norm. Along an eigenvector of
    S, with p the eigenvalue of M S, the iteration reads p <- p (2 - p) and starts at (eigenvalue / largest)²: the
    error 1 - p is squared at every step.

    Of a higher order it is raised to that power: M <- M (3 - S M (3 - S M)) cubes it, as the higher-order method in
    the same work's appendix (Schulz's hyperpower iteration).

    Args:
        steps: how many; the weights before the first are 0, and after it those of the first M.
        order: the power to which a step raises the error.
    """

    steps: Annotated[int, Range(0, 100_000)] = 24
    order: Annotated[int, Range(2, 16)] = 2

    def iterates(self, examples: Examples) -> Float64[Tensor, "step batch dim"]:
        """Returns 0, and the weights by the first M and by every one after it."""
        product, along, right = _spectrum(examples)
        found = [right.new_zeros(len(right), right.shape[-1])]
        for _ in range(self.steps):
            found.append(torch.einsum("br,brd->bd", product * along, right))
            product = 1 - (1 - product) ** self.order
        return torch.stack(found)

    def maps(self, examples: Examples) -> Iterator[Map]:
        """Yields what a step takes from the error along every eigenvector: all but its power of one order less."""
        product, along, right = _spectrum(examples)
        taken = product
        for _ in range(self.steps):
            yield partial(_towards, taken, along, right)
            taken = 1 - (1 - product) ** (self.order - 1)
            product = 1 - (1 - product) ** self.order


def _spectrum(
    examples: Examples,
) -> tuple[Float64[Tensor, "batch rank"], Float64[Tensor, "batch rank"], Float64[Tensor, "batch rank dim"]]:
    """Returns the eigenvalues of the first M S, the solution along every eigenvector, and the eigenvectors."""
    left, values, right = decompose(examples.x)
    # M and S share their eigenvectors; as matrices, M blows up after 100 steps where S is singular
    product = torch.where(values > 0, (values / values[:, :1]) ** 4, 0.0)
    along = torch.where(values > 0, torch.einsum("bnr,bn->br", left, examples.y.double()) / values, 0.0)
    return product, along, right


def _towards(
    share: Float64[Tensor, "batch rank"],
    along: Float64[Tensor, "batch rank"],
    right: Float64[Tensor, "batch rank dim"],
    weights: Float64[Tensor, "batch dim"],
) -> Float64[Tensor, "batch dim"]:
    """Returns weights moved by a share of the way to the solution along every eigenvector."""
    missing = along - torch.einsum("brd,bd->br", right, weights)
    return weights + torch.einsum("br,brd->bd", share * missing, right)
