"""Steps on residuals behind a causal mask, as stacks of causal linear attention take them."""

from __future__ import annotations

from typing import ClassVar

from jaxtyping import Float64
from torch import Tensor

from probe.evidence.families.family import Family, rates
from probe.evidence.families.gd import even
from probe.evidence.families.moments import Moments


class Causal(Family):
    """Every pair keeps what the pairs up to it leave of its y; a step is a rate times the sum of these times x.

    The construction of von Oswald et al. (2023), arXiv:2212.07677, Proposition 1, where a pair sees no later ones. The
    unit of the rates is the mean over prompts of the largest eigenvalue of X'X.
    """

    name: ClassVar[str] = "causal_gd"

    def starts(self, blocks: int, dim: int) -> list[Float64[Tensor, " number"]]:
        """Returns small and middling rates."""
        return [even(blocks, 0.3), even(blocks, 1.0)]

    def path(self, numbers: Float64[Tensor, " number"], given: Moments, blocks: int) -> list[Tensor]:
        """Returns the weights before the first block and after each."""
        found, residual = [given.zero], given.y
        for rate in rates(numbers):
            step = rate / given.unit * (residual[..., None] * given.x).cumsum(1)
            found.append(found[-1] + step[:, -1])
            residual = residual - (step * given.x).sum(-1)
        return found

    def told(self, numbers: Float64[Tensor, " number"], blocks: int) -> dict[str, list[float]]:
        """Returns the rates."""
        return {"rate": rates(numbers).tolist()}
