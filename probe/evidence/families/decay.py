"""Gradient descent with weight decay, or Richardson iteration for ridge regression: its limit is a ridge solution."""

from __future__ import annotations

from typing import ClassVar

import torch
from jaxtyping import Float64
from torch import Tensor

from probe.evidence.families.family import Family, rates
from probe.evidence.families.gd import even
from probe.evidence.families.moments import Moments


class WeightDecay(Family):
    """w <- w + eta_l (X'(y - X w) - mu w) / (L + mu), a rate for every block, and mu fitted for all blocks and prompts.

    The unit of mu is the mean over prompts of the largest eigenvalue of X'X.
    """

    name: ClassVar[str] = "gd_with_decay"

    def starts(self, blocks: int, dim: int) -> list[Float64[Tensor, " number"]]:
        """Returns middling rates, with a little decay."""
        return [torch.cat([even(blocks, 0.7), torch.tensor([-3.0], dtype=torch.float64)])]

    def path(self, numbers: Float64[Tensor, " number"], given: Moments, blocks: int) -> list[Tensor]:
        """Returns the weights before the first block and after each."""
        found, penalty = [given.zero], given.unit * numbers[-1].clamp(max=23.0).exp()
        for rate in rates(numbers[:-1]):
            step = given.descent(found[-1]) - penalty * found[-1]
            found.append(found[-1] + rate / (given.largest + penalty) * step)
        return found

    def told(self, numbers: Float64[Tensor, " number"], blocks: int) -> dict[str, list[float]]:
        """Returns the rates, and the penalty."""
        return {"rate": rates(numbers[:-1]).tolist(), "penalty": [float(numbers[-1].clamp(max=23.0).exp())]}
