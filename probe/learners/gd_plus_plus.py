"""GD++: gradient descent on inputs that are themselves transformed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Literal

import torch
from jaxtyping import Float64
from torch import Tensor

from probe.fields import Checked, NotNegative, Range
from probe.learners.examples import Examples
from probe.learners.learner import IterativeLearner, Map
from probe.learners.step_size import Rate, step_size


@dataclass(frozen=True)
class GradientDescentPlusPlus(Checked, IterativeLearner):
    """Predicts after steps of gradient descent on inputs whose spread is evened by X <- X (I - gamma X'X).

    Two algorithms go by this name. In von Oswald et al. (2023), arXiv:2212.07677, the inputs are
    transformed after every step, as every layer of a transformer would. In the code released with Grazzi et al.
    (2024), arXiv:2402.03170, section 3.2, they are transformed once, before the first step, and the optimal rate
    is that of the inputs as they were. A query is transformed like the inputs. The weights returned are those of
    queries as they were: P w where the inputs are X P.

    That rate is at the edge of stability for X but not for X (I - gamma X'X), whose spectrum is smaller: it is from
    there that most of the gain over gradient descent comes, see ``spectrum``.

    Args:
        steps: how many.
        rate: as for gd.
        gamma: of X'X, which is not divided by n; the default was chosen by Grazzi et al. for `skewed_linear` with
            dim 20 and 40 examples.
        transform: when the inputs are transformed: ``once`` as released by Grazzi et al., or at ``each`` step.
        spectrum: whether the rate is that of the ``original`` inputs or of the transformed ones, step by step
            (``own``).
    """

    steps: Annotated[int, Range(0, 100_000)] = 24
    rate: Rate = "optimal"
    gamma: NotNegative = 1.94e-4
    transform: Literal["once", "each"] = "once"
    spectrum: Literal["original", "own"] = "original"

    def iterates(self, examples: Examples) -> Float64[Tensor, "step batch dim"]:
        """Returns the weights before the first step, which are 0, and after every step."""
        found = [torch.zeros_like(examples.second_moments()[1])]
        for step in self.maps(examples):
            found.append(step(found[-1]))
        return torch.stack(found)

    def maps(self, examples: Examples) -> Iterator[Map]:
        """Yields a step on the inputs as they are transformed before it."""
        hessian, correlation = examples.second_moments()
        identity = torch.eye(hessian.shape[-1], dtype=hessian.dtype, device=hessian.device).expand_as(hessian)
        gamma = self.gamma * examples.count
        basis = identity - gamma * hessian if self.transform == "once" else identity
        for _ in range(self.steps):
            transformed = basis.mT @ hessian @ basis
            rate = step_size(hessian if self.spectrum == "original" else transformed, self.rate)
            yield partial(_stepped, hessian, correlation, basis, rate)
            if self.transform == "each":
                basis = basis @ (identity - gamma * transformed)


def _stepped(
    hessian: Float64[Tensor, "batch dim dim"],
    correlation: Float64[Tensor, "batch dim"],
    basis: Float64[Tensor, "batch dim dim"],
    rate: Float64[Tensor, "batch 1"],
    weights: Float64[Tensor, "batch dim"],
) -> Float64[Tensor, "batch dim"]:
    gradient = torch.einsum("bij,bj->bi", hessian, weights) - correlation
    return weights - rate * torch.einsum("bij,bkj,bk->bi", basis, basis, gradient)
