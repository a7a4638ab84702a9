"""Gradient descent for which late pairs count more."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from probe.models.planted.gradient import Gradient
from probe.models.planted.moments import forgetting
from probe.models.planted.way import Seen

KEPT = 0.9
"""What a pair counts, in units of what the one after it does."""


class Recency(Gradient):
    """Takes a step of gradient descent on squared errors of which each weighs nine tenths of the one after it."""

    idle_writes: ClassVar[bool] = True

    def moments(self, seen: Seen) -> tuple[Tensor, Tensor]:
        """Returns the weighted moments."""
        return forgetting(seen.token, KEPT)
