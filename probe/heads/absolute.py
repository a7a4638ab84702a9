"""Ridge regression at penalties in the features' own units, as scikit-learn's, whatever those units are."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from probe.heads.path import EPSILON, RESOLVED, rounding


def solve_absolute(
    xx: Float64[Tensor, "layer context width width"],
    xy: Float64[Tensor, "layer context width target"],
    penalty: float,
    rank: Int64[Tensor, " context"],
) -> tuple[Float64[Tensor, "layer context width target"], Float64[Tensor, "layer context"]]:
    """Solves ``(xx + penalty I) weight = xy`` in every cell and returns the weights and the condition.

    The penalised moments are scaled to a unit diagonal first, which is within a factor of the width of the best
    scaling (van der Sluis 1969, "Condition numbers and equilibration of matrices"): one feature in another unit then
    costs no digit of the others. Where the penalty bounds the condition, they are factorised by Cholesky; elsewhere
    by their eigenvalues, and what those leave open is the weight of least norm.

    Args:
        rank: of the centred features at most, by their number of rows.
    """
    diagonal = xx.diagonal(dim1=-2, dim2=-1) + penalty
    varies = diagonal > 0
    scale = diagonal.where(varies, 1.0).rsqrt()
    scaled, right = xx * scale[..., None, :] * scale[..., :, None], xy * scale[..., None]
    scaled.diagonal(dim1=-2, dim2=-1).fill_(1.0)
    condition = (diagonal.amax(-1) / penalty).sqrt() if penalty else torch.full_like(diagonal[..., 0], torch.inf)
    easy = condition <= RESOLVED
    weight = torch.empty_like(xy)
    if easy.any():
        weight[easy] = torch.cholesky_solve(right[easy], torch.linalg.cholesky(scaled[easy])) * scale[easy][..., None]
    for layer, context in (~easy).nonzero().tolist():
        cell = layer, context
        most = xx.shape[-1] if penalty else int(rank[context])
        weight[cell], condition[cell] = _by_eigenvalues(scaled[cell], right[cell], scale[cell], varies[cell], most)
    return weight, condition


def _by_eigenvalues(
    scaled: Float64[Tensor, "width width"],
    right: Float64[Tensor, "width target"],
    scale: Float64[Tensor, " width"],
    varies: Bool[Tensor, " width"],
    rank: int,
) -> tuple[Float64[Tensor, "width target"], Float64[Tensor, ""]]:
    """Returns the weights, of least norm where they are not determined, and the condition."""
    values, vectors = torch.linalg.eigh(scaled)
    kept = values > rounding(values)
    solution = vectors[:, kept] @ (vectors[:, kept].mT @ right / values[kept, None])
    if not kept.all():
        free = vectors[:, ~kept] * scale[:, None]
        solution = solution - vectors[:, ~kept] @ torch.linalg.lstsq(free, solution * scale[:, None]).solution
    # features that do not vary stand on the diagonal alone, as ones; of the others no more count than rows allow
    varying = int(varies.sum())
    place = varying - min(varying, rank)
    smallest = values[place].where(kept[place], EPSILON)
    return solution * scale[:, None], smallest.rsqrt()
