"""RWKV-4's channel mix, with the parameter names of Hugging Face's ``RwkvFeedForward``."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from probe.models.mixer import Mixer
from probe.models.rwkv import Place, orthogonal, previous, ramp


class RWKV4ChannelMix(Mixer):
    """Maps every token with the one before it through four times the width, gated (Peng et al., 2023).

    "RWKV: Reinventing RNNs for the Transformer Era", arXiv:2305.13048, section 3.1; it starts as in the release of
    RWKV-4: the key map orthogonal, the others 0, token shifts spread over channels and layers.

    Args:
        blocks: the model's number of blocks; two are a layer.
        index: the block's place among them, from 0.
    """

    title: ClassVar[str] = "RWKV-4 channel mix"
    recipe: ClassVar[str] = "rwkv4"

    def __init__(self, width: int, blocks: int, index: int = 0) -> None:
        super().__init__()
        mix = (ramp(width) ** Place(index, blocks).remaining).view(1, 1, width)
        self.time_mix_key = nn.Parameter(mix)
        self.time_mix_receptance = nn.Parameter(mix.clone())
        self.key = orthogonal(4 * width, width, gain=1.0)
        self.receptance = orthogonal(width, width, gain=0.0)
        self.value = orthogonal(width, 4 * width, gain=0.0)

    def forward(self, hidden: Float[Tensor, "batch time width"]) -> Float[Tensor, "batch time width"]:
        """Returns what the block writes to the stream."""
        return self._mixed(hidden, previous(hidden))

    def _mixed(self, hidden: Tensor, before: Tensor) -> Tensor:
        key = F.relu(self.key(torch.lerp(before, hidden, self.time_mix_key))).square()
        receptance = self.receptance(torch.lerp(before, hidden, self.time_mix_receptance))
        result: Tensor = torch.sigmoid(receptance) * self.value(key)
        return result

    def start(self, batch: int) -> tuple[Tensor, ...]:
        """Returns the state before the first token: the token before it, zeros."""
        return (self.time_mix_key.new_zeros(batch, self.time_mix_key.shape[-1]),)

    def step(
        self, hidden: Float[Tensor, "batch width"], state: tuple[Tensor, ...]
    ) -> tuple[Float[Tensor, "batch width"], tuple[Tensor, ...]]:
        """Returns what the block writes at one token and the state after it."""
        return self._mixed(hidden[:, None], state[0][:, None])[:, 0], (hidden,)

    def flops(self, time: int) -> int:
        """Returns the forward floating-point operations for one sequence (a multiply-add is two, an exp one).

        A channel takes 6 for two token shifts, 8 for the squares of the widened ones' positive parts, 5 for the gate.
        """
        width = self.time_mix_key.shape[-1]
        return time * (2 * 9 * width**2 + 19 * width)
