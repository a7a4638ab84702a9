"""Gradient descent whose answer only the last block writes."""

from __future__ import annotations

from typing import ClassVar

import torch
from jaxtyping import Float64
from torch import Tensor

from probe.models.planted.gradient import Gradient
from probe.models.planted.way import Seen, answered


class AtEnd(Gradient):
    """Takes a step of gradient descent in the weights; only the last block says what these answer."""

    idle_writes: ClassVar[bool] = True

    def answer(self, seen: Seen, change: Float64[Tensor, "batch time dim"]) -> Float64[Tensor, "batch time 1"]:
        """Returns the whole answer in the last block, and nothing before."""
        return answered(seen.w + change, seen.token) if self.last else torch.zeros_like(seen.answer)
