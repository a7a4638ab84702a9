"""Fixed positions."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


class Sinusoids(nn.Module):
    """Gives a position sines and cosines of wavelengths from 2 pi to 20,000 pi (Vaswani et al., 2017, section 3.5)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, place: Int[Tensor, " time"]) -> Float[Tensor, "time width"]:
        """Returns the vectors of positions, sines in even coordinates."""
        even = torch.arange(0, self.width, 2, device=place.device)
        angles = place[:, None] * torch.exp(-math.log(10_000.0) / self.width * even)
        return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)[:, : self.width]
