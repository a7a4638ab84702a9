"""What any algorithm that filters the spectrum of X'X could explain of a model's layers: a ceiling, with no name.

Gradient descent, momentum, Chebyshev's and Newton's iterations and ridge regression all answer w_l = f_l(X'X) X'y. Here
f_l is fitted for every layer on its own, one for all prompts, as a sum of ridge solutions.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

from probe.evidence.answers import Asked, distance, induced_weights
from probe.evidence.shared import SLIGHT
from probe.statistics import RatioBootstrap

PENALTIES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 100.0)
"""Of the ridge solutions, in units of the mean eigenvalue."""
LITTLE = 1e-8
"""A penalty on the sums' coefficients, in units of the solutions' squares: some of them are nearly alike."""


@dataclass(frozen=True, eq=False)
class FreeFilter:
    """What a free filter leaves, and what no weights could explain.

    Attributes:
        spd: the squared differences of answers that are left, by layer, in units of the zero error.
        ilwd: likewise of induced weights.
        nonlinear: the share of the squares of all layers' answers that is not linear in the query.
    """

    spd: RatioBootstrap
    ilwd: RatioBootstrap
    nonlinear: RatioBootstrap


def free_filter(selected: Asked, scored: Asked, head: str, seed: int) -> FreeFilter:
    """Returns what a free filter a layer leaves of a head's answers, with the model's final error fitted apart.

    Args:
        selected: prompts on which the filters are fitted.
        scored: others, on which the distances are measured.
    """
    fitted, measured = (_basis(one) for one in (selected, scored))
    last = _solve(_predicted(fitted, selected), selected.answers[head][-1])
    errors = [
        one.answers[head][-1] - torch.einsum("k,kpq->pq", last, _predicted(basis, one))
        for one, basis in ((selected, fitted), (scored, measured))
    ]
    features = [
        torch.cat([_predicted(basis, one), error[None]])
        for one, basis, error in ((selected, fitted, errors[0]), (scored, measured, errors[1]))
    ]
    slight = SLIGHT * selected.answers[head][-1].square().sum().item()
    factors = torch.stack([_solve(features[0], layer, slight) for layer in selected.answers[head]])
    left = scored.answers[head] - torch.einsum("lk,kpq->lpq", factors, features[1])
    induced, _ = induced_weights(scored.queries, left)
    solved, _ = induced_weights(scored.queries, scored.targets)
    spd, ilwd = distance(scored, left, scored.targets, seed), distance(scored, induced, solved, seed)
    return FreeFilter(spd, ilwd, _nonlinear(scored, head, seed))


def _nonlinear(scored: Asked, head: str, seed: int) -> RatioBootstrap:
    answers = scored.answers[head]
    squares = answers.square().sum(-1)
    _, linear = induced_weights(scored.queries, answers)
    found = RatioBootstrap((1,), seed=seed)
    found.update(scored.numbers, ((1 - linear) * squares).sum(0)[:, None], squares.sum(0)[:, None])
    return found


def _basis(asked: Asked) -> Float64[Tensor, "solution prompt dim"]:
    hessian, correlation = asked.examples.second_moments()
    scale = hessian.diagonal(dim1=-2, dim2=-1).mean(-1)[:, None, None]
    identity = torch.eye(hessian.shape[-1], dtype=hessian.dtype)
    return torch.stack([torch.linalg.solve(hessian + each * scale * identity, correlation) for each in PENALTIES])


def _predicted(basis: Float64[Tensor, "solution prompt dim"], asked: Asked) -> Float64[Tensor, "solution prompt query"]:
    return torch.einsum("kpd,pqd->kpq", basis, asked.queries)


def _solve(
    features: Float64[Tensor, "feature prompt query"], answers: Float64[Tensor, "prompt query"], slight: float = 0.0
) -> Float64[Tensor, " feature"]:
    """Returns the factors of the features, the last of which is penalised by this much."""
    rows = features.flatten(1)
    square = rows @ rows.T
    square[-1, -1] += slight
    square = square + LITTLE * square.diagonal().mean() * torch.eye(len(square), dtype=square.dtype)
    found: Tensor = torch.linalg.solve(square, rows @ answers.flatten())
    return found
