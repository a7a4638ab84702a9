"""RWKV-4's two mixers, with the parameter names of Hugging Face's ``RwkvSelfAttention`` and ``RwkvFeedForward``."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from probe.kernels.wkv4 import wkv4
from probe.kernels.wkv4.reference import advance, start
from probe.models.mixer import Mixer
from probe.models.rwkv import Place, orthogonal, previous, ramp


class RWKV4TimeMix(Mixer):
    """Averages values over time under weights that fall with age, and gates the mean (Peng et al., 2023).

    "RWKV: Reinventing RNNs for the Transformer Era", arXiv:2305.13048, section 3.1; it starts as in the release of
    RWKV-4: the value map orthogonal, the others 0, decays and token shifts spread over channels and layers.

    Args:
        blocks: the model's number of blocks; two are a layer.
        index: the block's place among them, from 0.
    """

    title: ClassVar[str] = "RWKV-4 time mix"
    recipe: ClassVar[str] = "rwkv4"

    def __init__(self, width: int, blocks: int, index: int = 0) -> None:
        super().__init__()
        place, share = Place(index, blocks), ramp(width)
        channel = torch.arange(width)
        self.backend = "auto"
        self.time_decay = nn.Parameter(-5 + 8 * (channel / max(1, width - 1)) ** (0.7 + 1.3 * place.ratio))
        self.time_first = nn.Parameter(math.log(0.3) + 0.5 * ((channel + 1) % 3 - 1))
        self.time_mix_key = nn.Parameter((share**place.remaining).view(1, 1, width))
        self.time_mix_value = nn.Parameter((share**place.remaining + 0.3 * place.ratio).view(1, 1, width))
        self.time_mix_receptance = nn.Parameter((share ** (0.5 * place.remaining)).view(1, 1, width))
        self.key = orthogonal(width, width, gain=0.0)
        self.value = orthogonal(width, width, gain=1.0)
        self.receptance = orthogonal(width, width, gain=0.0)
        self.output = orthogonal(width, width, gain=0.0)

    def forward(self, hidden: Float[Tensor, "batch time width"]) -> Float[Tensor, "batch time width"]:
        """Returns the mixer's output at every token."""
        receptance, key, value = self._read(hidden, previous(hidden))
        mean = wkv4(key, value, self.time_decay, self.time_first, backend=self.backend)
        result: Tensor = self.output(receptance * mean)
        return result

    def _read(self, hidden: Tensor, before: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        key = self.key(torch.lerp(before, hidden, self.time_mix_key))
        value = self.value(torch.lerp(before, hidden, self.time_mix_value))
        receptance = self.receptance(torch.lerp(before, hidden, self.time_mix_receptance))
        return torch.sigmoid(receptance), key, value

    def start(self, batch: int) -> tuple[Tensor, ...]:
        """Returns the state before the first token: the token before, then WKV's two sums and largest exponent."""
        zeros = self.time_decay.new_zeros(batch, len(self.time_decay))
        return (zeros, *start(zeros))

    def step(
        self, hidden: Float[Tensor, "batch width"], state: tuple[Tensor, ...]
    ) -> tuple[Float[Tensor, "batch width"], tuple[Tensor, ...]]:
        """Returns the mixer's output at one token, and the state after it."""
        before, numerator, denominator, top = state
        receptance, key, value = (part[:, 0] for part in self._read(hidden[:, None], before[:, None]))
        mean, sums = advance((numerator, denominator, top), key, value, self.time_decay, self.time_first)
        return self.output(receptance * mean), (hidden, *sums)

    def flops(self, time: int) -> int:
        """Returns the forward floating-point operations for one sequence (a multiply-add is two, an exp one).

        A channel takes 9 for three token shifts, 16 for a step of the WKV recurrence, 5 for the gate.
        """
        width = len(self.time_decay)
        return time * (2 * 4 * width**2 + 30 * width)


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
        """Returns the mixer's output at every token."""
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
        """Returns the mixer's output at one token, and the state after it."""
        return self._mixed(hidden[:, None], state[0][:, None])[:, 0], (hidden,)

    def flops(self, time: int) -> int:
        """Returns the forward floating-point operations for one sequence (a multiply-add is two, an exp one).

        A channel takes 6 for two token shifts, 8 for the squares of the widened ones' positive parts, 5 for the gate.
        """
        width = self.time_mix_key.shape[-1]
        return time * (2 * 9 * width**2 + 19 * width)
