"""A block that brings each example's x beside its y, so that a layer that maps single tokens meets the pair."""

from __future__ import annotations

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from probe.errors import ProbeError
from probe.models.mixer import Mixer


class Pairing(Mixer):
    """Writes, at tokens y, the x of the token before into coordinates `dim` to 2 `dim`; nothing in it is trained.

    Args:
        blocks: the model's number of blocks, of which nothing depends.
        dim: dimension of x, which lies in the first coordinates.
    """

    title: ClassVar[str] = "planted pairing"

    def __init__(self, width: int, blocks: int, dim: int = 1) -> None:
        super().__init__()
        if width < 2 * dim:
            raise ProbeError(
                f"A pairing block was given a stream {width} wide, but with dim={dim} it needs {2 * dim}. "
                "Give a larger --width."
            )
        self.dim = dim

    def forward(self, hidden: Float[Tensor, "batch time width"]) -> Float[Tensor, "batch time width"]:
        """Returns the mixer's output at every token."""
        written = torch.zeros_like(hidden)
        written[:, 1::2, self.dim : 2 * self.dim] = hidden[:, :-1:2, : self.dim]
        return written

    def flops(self, time: int) -> int:
        """Returns 0: copying takes no floating-point operations."""
        return 0
