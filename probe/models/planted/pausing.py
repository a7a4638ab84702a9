"""Gradient descent between whose steps a block has nothing to do."""

from __future__ import annotations

from typing import ClassVar

import torch
from jaxtyping import Float64
from torch import Tensor

from probe.models.planted.gradient import Gradient
from probe.models.planted.way import Seen


class Pausing(Gradient):
    """Takes a step of gradient descent in every other block, the first among them; the others write nothing for it."""

    idle_writes: ClassVar[bool] = True

    def change(self, seen: Seen) -> Float64[Tensor, "batch time dim"]:
        """Returns the step, or nothing."""
        return torch.zeros_like(seen.w) if self.index % 2 else super().change(seen)
