"""The singular values of each prompt's inputs."""

from __future__ import annotations

import torch
from jaxtyping import Float, Float64
from torch import Tensor


def decompose(
    x: Float[Tensor, "batch examples dim"],
) -> tuple[Float64[Tensor, "batch examples rank"], Float64[Tensor, "batch rank"], Float64[Tensor, "batch rank dim"]]:
    """Returns U, s and V' with x = U diag(s) V' and s descending, 0 where it is rounding alone."""
    left, values, right = torch.linalg.svd(x.double(), full_matrices=False)
    rounding = torch.finfo(values.dtype).eps * max(x.shape[1:]) * values[:, :1]
    return left, values.where(values > rounding, 0.0), right
