"""Conjugate gradients on the normal equations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Annotated

import torch
from jaxtyping import Bool, Float64
from torch import Tensor

from probe.fields import Checked, Range
from probe.learners.examples import Examples
from probe.learners.learner import IterativeLearner, Map

ROUNDING = 1e-15


@dataclass(frozen=True)
class ConjugateGradient(Checked, IterativeLearner):
    """Predicts after steps of conjugate gradients on X'Xw = X'y, from w = 0.

    No method whose steps are combinations of gradients has smaller squares after as many steps; it is at the
    least-norm least-squares solution after as many as X has distinct singular values (Hestenes & Stiefel, 1952).

    Args:
        steps: how many.
    """

    steps: Annotated[int, Range(0, 100_000)] = 24

    def iterates(self, examples: Examples) -> Float64[Tensor, "step batch dim"]:
        """Returns the weights before the first step, which are 0, and after every step."""
        found = [examples.x.double().new_zeros(len(examples.x), examples.x.shape[-1])]
        for length, direction, _ in self._run(examples):
            found.append(found[-1] + length * direction)
        return torch.stack(found)

    def maps(self, examples: Examples) -> Iterator[Map]:
        """Yields steps along the gradient at other weights, as long and turned as much as without a disturbance."""
        for length, _, carried in self._run(examples):
            yield partial(_along, examples, length, carried)

    def _run(
        self, examples: Examples
    ) -> Iterator[tuple[Float64[Tensor, "batch 1"], Float64[Tensor, "batch dim"], Float64[Tensor, "batch dim"]]]:
        """Yields of every step its length, its direction, and what of that the steps before it carry over."""
        x, residual = examples.x.double(), examples.y.double()
        gradient = torch.einsum("bnd,bn->bd", x, residual)
        carried, weights = torch.zeros_like(gradient), torch.zeros_like(gradient)
        direction, squared = gradient, gradient.square().sum(-1, keepdim=True)
        unsolved = squared > 0
        for _ in range(self.steps):
            image = torch.einsum("bnd,bd->bn", x, direction)
            length = torch.where(unsolved, squared / image.square().sum(-1, keepdim=True), 0.0)
            yield length, direction, carried
            weights = weights + length * direction
            residual = residual - length * image
            gradient = torch.einsum("bnd,bn->bd", x, residual)
            before, squared = squared, gradient.square().sum(-1, keepdim=True)
            carried = torch.where(unsolved, squared / before * direction, 0.0)
            direction = torch.where(unsolved, gradient + carried, 0.0)
            unsolved = unsolved & ~_solved(examples, weights, residual, squared.sqrt())


def _along(
    examples: Examples,
    length: Float64[Tensor, "batch 1"],
    carried: Float64[Tensor, "batch dim"],
    weights: Float64[Tensor, "batch dim"],
) -> Float64[Tensor, "batch dim"]:
    x = examples.x.double()
    residual = examples.y.double() - torch.einsum("bnd,bd->bn", x, weights)
    return weights + length * (torch.einsum("bnd,bn->bd", x, residual) + carried)


def _solved(
    examples: Examples,
    weights: Float64[Tensor, "batch dim"],
    residual: Float64[Tensor, "batch examples"],
    steepness: Float64[Tensor, "batch 1"],
) -> Bool[Tensor, "batch 1"]:
    """Tells where what is left is rounding, from which further steps would only lead away.

    The two tests of Paige & Saunders (1982), LSQR: a residual, or a gradient X'r of length `steepness`, no larger than
    that of a solution to inputs perturbed by rounding.
    """
    size = examples.x.double().flatten(1).norm(dim=-1, keepdim=True)
    left, known = residual.norm(dim=-1, keepdim=True), examples.y.double().norm(dim=-1, keepdim=True)
    reached = left <= ROUNDING * (size * weights.norm(dim=-1, keepdim=True) + known)
    level = steepness <= ROUNDING * size * left
    return torch.logical_or(reached, level)
