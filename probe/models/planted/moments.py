"""X'X and X'y over the pairs before every token, and what is solved from them."""

from __future__ import annotations

import torch
from jaxtyping import Float64
from torch import Tensor


def moments(token: Float64[Tensor, "batch time dim"], own: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Returns X'X and X'y over the whole pairs up to every token; with `own`, over those pairs alone."""
    return first_moments(token, pairs_before(token), own)


def forgetting(token: Float64[Tensor, "batch time dim"], keep: float) -> tuple[Tensor, Tensor]:
    """Returns the moments in which every pair counts `keep` times as much as the one after it."""
    x, y = _pairs(token)
    age = pairs_before(token)[:, None] - 1 - torch.arange(x.shape[1], device=token.device)
    weight = torch.where(age >= 0, keep ** age.clamp(min=0).double(), 0.0)
    return torch.einsum("tc,bci,bcj->btij", weight, x, x), torch.einsum("tc,bci->bti", weight, x * y)


def first_moments(
    token: Float64[Tensor, "batch time dim"], count: Tensor, own: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Returns the moments over the first pairs alone, so many at every token, of which none may come after it."""
    x, y = _pairs(token)
    if own is not None:
        x = x * own[:, None]
    hessian = torch.einsum("bci,bcj->bcij", x, x).cumsum(1)
    return _after(hessian, count), _after((x * y).cumsum(1), count)


def pairs_before(token: Float64[Tensor, "batch time dim"]) -> Tensor:
    """Returns the number of whole pairs up to every token."""
    return (torch.arange(token.shape[1], device=token.device) + 1) // 2


def largest(hessian: Float64[Tensor, "batch time dim dim"]) -> Float64[Tensor, "batch time 1"]:
    """Returns the largest eigenvalue, above 0 also where no pair was seen."""
    found: Tensor = torch.linalg.eigvalsh(hessian)[..., -1:].clamp(min=1e-12)
    return found


def times(matrix: Float64[Tensor, "batch time dim dim"], vector: Float64[Tensor, "batch time dim"]) -> Tensor:
    """Returns the product at every token."""
    return torch.einsum("...ij,...j->...i", matrix, vector)


def solution(hessian: Tensor, correlation: Tensor, rounding: float = 1e-12) -> Tensor:
    """Returns the least-norm least squares; eigenvalues below the rounding of the moments count as zero."""
    return times(torch.linalg.pinv(hessian, rtol=rounding, hermitian=True), correlation)


def _pairs(token: Tensor) -> tuple[Tensor, Tensor]:
    pairs = token.shape[1] // 2
    return token[:, : 2 * pairs : 2], token[:, 1 : 2 * pairs : 2, :1]


def _after(sums: Tensor, seen: Tensor) -> Tensor:
    """Returns the running sums after so many pairs, zero after none."""
    return torch.cat([sums.new_zeros((len(sums), 1, *sums.shape[2:])), sums], dim=1)[:, seen]
