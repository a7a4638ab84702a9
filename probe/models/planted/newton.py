"""Iterations for the inverse of X'X, a step a block."""

from __future__ import annotations

import torch
from jaxtyping import Float64
from torch import Tensor

from probe.models.planted.moments import largest, moments, times
from probe.models.planted.way import Seen, Way


class Newton(Way):
    """Brings M nearer to the inverse of S = X'X by M <- 2 M - M S M, and the weights to M X'y.

    Fu et al. (2024), arXiv:2310.17086, from S / L² on, L the largest eigenvalue of S. M stands in the memory.
    """

    def inverse(self, seen: Seen) -> Float64[Tensor, "batch time dim dim"]:
        """Returns the next M, in the first block the first one."""
        hessian = moments(seen.token)[0]
        if self.index == 0:
            return hessian / largest(hessian)[..., None] ** 2
        flat = seen.memory[..., : self.dim**2]
        return self.better(flat.reshape(hessian.shape), hessian)

    def better(self, found: Tensor, hessian: Tensor) -> Tensor:
        """Returns the M that follows."""
        return 2 * found - found @ hessian @ found

    def change(self, seen: Seen) -> Float64[Tensor, "batch time dim"]:
        """Returns the way from the weights so far to those of the next M."""
        return times(self.inverse(seen), moments(seen.token)[1]) - seen.w

    def memory(self, seen: Seen, change: Float64[Tensor, "batch time dim"]) -> Float64[Tensor, "batch time memory"]:
        """Returns what makes the memory hold the next M."""
        added = torch.zeros_like(seen.memory)
        added[..., : self.dim**2] = self.inverse(seen).flatten(-2) - seen.memory[..., : self.dim**2]
        return added


class HigherOrder(Newton):
    """Brings M nearer by M <- M (3 - S M (3 - S M)), which cubes the error where Newton's squares it."""

    def better(self, found: Tensor, hessian: Tensor) -> Tensor:
        """Returns the M that follows."""
        product = hessian @ found
        eye = torch.eye(self.dim, dtype=found.dtype, device=found.device)
        return found @ (3 * eye - product @ (3 * eye - product))
