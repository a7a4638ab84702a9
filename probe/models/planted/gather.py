"""Least squares solved at the end from moments that the blocks before have summed."""

from __future__ import annotations

import torch
from jaxtyping import Float64
from torch import Tensor

from probe.models.planted.moments import moments, solution
from probe.models.planted.way import Seen, Way

ROUNDING = 1e-6
"""Of moments that stood in a stream of single precision."""


class Gather(Way):
    """Sums X'X and X'y over the blocks, each over pairs of its own, and solves in the last block."""

    def change(self, seen: Seen) -> Float64[Tensor, "batch time dim"]:
        """Returns the solution in the last block, and nothing before."""
        if not self.last:
            return torch.zeros_like(seen.w)
        hessian, correlation = seen.memory[..., : self.dim**2], seen.memory[..., self.dim**2 :]
        square = hessian.reshape(*hessian.shape[:2], self.dim, self.dim)
        return solution(square, correlation, rounding=ROUNDING)

    def memory(self, seen: Seen, change: Float64[Tensor, "batch time dim"]) -> Float64[Tensor, "batch time memory"]:
        """Returns the moments of the block's own pairs."""
        if self.last:
            return torch.zeros_like(seen.memory)
        pair = torch.arange(seen.token.shape[1] // 2, device=seen.token.device)
        hessian, correlation = moments(seen.token, pair % (self.blocks - 1) == self.index)
        return torch.cat([hessian.flatten(-2), correlation], dim=-1)
