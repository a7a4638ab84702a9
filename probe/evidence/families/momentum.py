"""Gradient descent with momentum: Polyak's heavy ball (1964), a rate for every block and one memory for all."""

from __future__ import annotations

from typing import ClassVar

import torch
from jaxtyping import Float64
from torch import Tensor

from probe.evidence.families.family import Family, rates
from probe.evidence.families.gd import even
from probe.evidence.families.moments import Moments


class Momentum(Family):
    """w <- w + eta_l X'(y - X w) / L + beta (the last change), beta fitted for all blocks."""

    name: ClassVar[str] = "momentum"

    def starts(self, blocks: int, dim: int) -> list[Float64[Tensor, " number"]]:
        """Returns middling rates, with little and with half of the last change kept."""
        return [torch.cat([even(blocks, 0.7), torch.tensor([kept], dtype=torch.float64)]) for kept in (-2.0, 0.0)]

    def path(self, numbers: Float64[Tensor, " number"], given: Moments, blocks: int) -> list[Tensor]:
        """Returns the weights before the first block and after each."""
        found, change, kept = [given.zero], given.zero, numbers[-1].sigmoid()
        for rate in rates(numbers[:-1]):
            change = rate / given.largest * given.descent(found[-1]) + kept * change
            found.append(found[-1] + change)
        return found

    def told(self, numbers: Float64[Tensor, " number"], blocks: int) -> dict[str, list[float]]:
        """Returns the rates, and the share of the last change that is kept."""
        return {"rate": rates(numbers[:-1]).tolist(), "kept": [float(numbers[-1].sigmoid())]}
