"""Steps on residuals that stand at the context tokens, as causal linear attention takes them."""

from __future__ import annotations

import torch
from jaxtyping import Float64
from torch import Tensor

from probe.models.planted.moments import pairs_before
from probe.models.planted.way import Seen, Way

RATE = 0.25
"""The step size, in units of 1 / dim: small enough for about fifteen examples whose coordinates have variance 1."""


class AtPairs(Way):
    """Keeps at every y what its pair leaves of y so far, and adds a rate times the sum of these times x to the weights.

    The constructions of von Oswald et al. (2023), arXiv:2212.07677, and Ahn et al. (2023), arXiv:2306.00297, behind a
    causal mask: a pair's own weights know the pairs up to it alone, so that the limit is no least squares but one pass
    of projections onto one pair after another. What runs is read at the context; the weights are read by no block.
    """

    @classmethod
    def more_memory(cls, dim: int, blocks: int) -> int:
        """Returns the width of the memory that holds the residual, less y."""
        return 1

    def change(self, seen: Seen) -> Float64[Tensor, "batch time dim"]:
        """Returns the rate times the sum, over the pairs so far, of residual times x."""
        pairs = seen.token.shape[1] // 2
        x, y = seen.token[:, : 2 * pairs : 2], seen.token[:, 1 : 2 * pairs : 2, :1]
        residual = y - self.beyond(seen)[:, 1 : 2 * pairs : 2]
        before = pairs_before(seen.token)
        sums = torch.cat([torch.zeros_like(seen.token[:, :1]), (residual * x).cumsum(1)], dim=1)
        return RATE / self.dim * sums[:, before]

    def memory(self, seen: Seen, change: Float64[Tensor, "batch time dim"]) -> Float64[Tensor, "batch time memory"]:
        """Returns what the step answers to the pair's own x, at its y."""
        asked = torch.zeros_like(seen.token)
        asked[:, 1::2] = seen.token[:, : seen.token.shape[1] // 2 * 2 : 2]
        return self.kept(seen, self.beyond(seen) + (change * asked).sum(-1, keepdim=True))
