"""RWKV-7's channel mix, with the parameter names of the official training code."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from probe.models.mixer import Mixer
from probe.models.rwkv import Place, orthogonal, previous, ramp


class RWKV7ChannelMix(Mixer):
    """Maps every token with the one before it through four times the width (Peng et al., 2025).

    "RWKV-7 Goose with Expressive Dynamic State Evolution", arXiv:2503.14456, section 4.2: RWKV-4's without its gate.
    It starts as in the official training code, the output at 0.

    Args:
        blocks: the model's number of blocks; two are a layer.
        index: the block's place among them, from 0.
    """

    title: ClassVar[str] = "RWKV-7 channel mix"
    recipe: ClassVar[str] = "rwkv7"

    def __init__(self, width: int, blocks: int, index: int = 0) -> None:
        super().__init__()
        self.x_k = nn.Parameter((1 - ramp(width) ** (Place(index, blocks).remaining ** 4)).view(1, 1, width))
        self.key = nn.Linear(width, 4 * width, bias=False)
        nn.init.uniform_(self.key.weight, -0.5 * width**-0.5, 0.5 * width**-0.5)
        self.value = orthogonal(width, 4 * width, gain=0.0)

    def forward(self, hidden: Float[Tensor, "batch time width"]) -> Float[Tensor, "batch time width"]:
        """Returns what the block writes to the stream."""
        return self._mixed(hidden, previous(hidden))

    def _mixed(self, hidden: Tensor, before: Tensor) -> Tensor:
        result: Tensor = self.value(F.relu(self.key(torch.lerp(hidden, before, self.x_k))).square())
        return result

    def start(self, batch: int) -> tuple[Tensor, ...]:
        """Returns the state before the first token: the token before it, zeros."""
        return (self.x_k.new_zeros(batch, self.x_k.shape[-1]),)

    def step(
        self, hidden: Float[Tensor, "batch width"], state: tuple[Tensor, ...]
    ) -> tuple[Float[Tensor, "batch width"], tuple[Tensor, ...]]:
        """Returns what the block writes at one token and the state after it."""
        return self._mixed(hidden[:, None], state[0][:, None])[:, 0], (hidden,)

    def flops(self, time: int) -> int:
        """Returns the forward floating-point operations for one sequence (a multiply-add is two).

        A channel takes 3 for the token shift and 8 for the squares of the widened ones' positive parts.
        """
        width = self.x_k.shape[-1]
        return time * (2 * 8 * width**2 + 11 * width)
