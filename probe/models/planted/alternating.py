"""Gradient descent whose answer every block turns round."""

from __future__ import annotations

from typing import ClassVar

from jaxtyping import Float64
from torch import Tensor

from probe.models.planted.gradient import Gradient
from probe.models.planted.way import Seen, answered


class Alternating(Gradient):
    """Takes a step of gradient descent and writes the answer with its sign changed: + at even layers, - at odd ones."""

    idle_writes: ClassVar[bool] = True

    def answer(self, seen: Seen, change: Float64[Tensor, "batch time dim"]) -> Float64[Tensor, "batch time 1"]:
        """Returns what turns the answer so far round, and the step's."""
        sign = 1.0 if self.index % 2 else -1.0
        return sign * answered(change, seen.token) - 2 * seen.answer
