"""Least squares on the examples of each prompt."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def least_squares(
    x: Float[Tensor, "batch examples dim"],
    y: Float[Tensor, "batch examples"],
    query: Float[Tensor, "batch dim"],
) -> Float[Tensor, " batch"]:
    """Predicts the query's y by the least-norm least-squares solution of the examples; 0 without examples.

    Computed in float64, so that an exact fit shows an error of rounding alone, not of float32. On ``y = w.x`` with
    isotropic x its normalised error is max(0, 1 - examples / dim) (Garg et al., 2022, arXiv:2208.01066).
    """
    if x.shape[1] == 0:
        return torch.zeros_like(y[:, :0].sum(1))
    solution = torch.linalg.lstsq(x.double().cpu(), y.double().cpu().unsqueeze(-1), driver="gelsd").solution
    predicted: Tensor = (query.double().cpu().unsqueeze(1) @ solution)[:, 0, 0]
    return predicted.to(y.device, y.dtype)
