"""Gradient descent with weight decay, whose limit is a ridge solution."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from probe.models.planted.gradient import Gradient
from probe.models.planted.moments import moments
from probe.models.planted.way import Seen

PENALTY = 1.0
"""Of the squared weights, in units of the squared error of one example."""


class Decay(Gradient):
    """Takes a step of gradient descent on the squared error plus the penalty times the squared weights."""

    idle_writes: ClassVar[bool] = True

    def moments(self, seen: Seen) -> tuple[Tensor, Tensor]:
        """Returns X'X with the penalty on its diagonal, and X'y."""
        hessian, correlation = moments(seen.token)
        return hessian + PENALTY * torch.eye(self.dim, dtype=hessian.dtype, device=hessian.device), correlation
