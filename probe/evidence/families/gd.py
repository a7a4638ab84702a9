"""Gradient descent with a rate of its own for every block: constant, decreasing or Chebyshev's, and 0 for idle ones."""

from __future__ import annotations

from typing import ClassVar

import torch
from jaxtyping import Float64
from torch import Tensor

from probe.evidence.families.family import FASTEST, Family, rates
from probe.evidence.families.moments import Moments


def even(blocks: int, rate: float) -> Float64[Tensor, " block"]:
    """Returns the numbers without bounds by which every block has the same rate."""
    return torch.logit(torch.full((blocks,), rate / FASTEST, dtype=torch.float64))


class GradientDescentPerBlock(Family):
    """w <- w + eta_l X'(y - X w) / L, L the largest eigenvalue of the prompt's X'X, eta_l fitted for all prompts."""

    name: ClassVar[str] = "gd_per_block"

    def starts(self, blocks: int, dim: int) -> list[Float64[Tensor, " number"]]:
        """Returns small and large rates."""
        return [even(blocks, 0.3), even(blocks, 1.0)]

    def path(self, numbers: Float64[Tensor, " number"], given: Moments, blocks: int) -> list[Tensor]:
        """Returns the weights before the first block and after each."""
        found = [given.zero]
        for rate in rates(numbers):
            found.append(found[-1] + rate / self.unit(given) * given.descent(found[-1]))
        return found

    def unit(self, given: Moments) -> Tensor:
        """Returns what rates are divided by, one number a prompt."""
        return given.largest

    def told(self, numbers: Float64[Tensor, " number"], blocks: int) -> dict[str, list[float]]:
        """Returns the rates."""
        return {"rate": rates(numbers).tolist()}


class SharedRates(GradientDescentPerBlock):
    """The same with L the mean over prompts: rates that know nothing of the prompt's own spectrum."""

    name: ClassVar[str] = "gd_shared_rates"

    def unit(self, given: Moments) -> Tensor:
        """Returns the same for every prompt."""
        return torch.full_like(given.largest, given.unit)
