"""Parts that the RWKV mixers share: token shift, the block's place in depth, and initialisation."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


@dataclass(frozen=True)
class Place:
    """The place of a block among the layers, on which its initialisation depends.

    A layer is two blocks, a time mix and a channel mix, as in the releases: the layout repeats the pair.
    """

    index: int
    blocks: int

    @property
    def ratio(self) -> float:
        """From 0 in the first layer to 1 in the last; 0 where there is only one."""
        return (self.index // 2) / max(1, (self.blocks + 1) // 2 - 1)

    @property
    def remaining(self) -> float:
        """From 1 in the first layer to almost 0 in the last."""
        return 1 - (self.index // 2) / max(1, (self.blocks + 1) // 2)


def previous(hidden: Float[Tensor, "batch time width"]) -> Float[Tensor, "batch time width"]:
    """Returns the token before each token; zeros before the first ("token shift")."""
    return F.pad(hidden, (0, 0, 1, -1))


def ramp(width: int) -> Float[Tensor, " width"]:
    """Returns channel / width: 0 in the first channel to almost 1 in the last."""
    return torch.arange(width) / width


def orthogonal(outputs: int, inputs: int, gain: float) -> nn.Linear:
    """Returns a map without bias that starts orthogonal, with a larger gain where it widens; 0 at gain 0."""
    linear = nn.Linear(inputs, outputs, bias=False)
    if gain == 0:
        nn.init.zeros_(linear.weight)
    else:
        nn.init.orthogonal_(linear.weight, gain=gain * max(1, outputs / inputs) ** 0.5)
    return linear
