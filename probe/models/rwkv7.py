"""RWKV-7's two mixers, with the parameter names of the official training code."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from probe.errors import ProbeError
from probe.kernels.rms_norm import unit_norm
from probe.kernels.wkv7 import wkv7
from probe.kernels.wkv7.reference import advance
from probe.models.mixer import Mixer
from probe.models.rwkv import Place, orthogonal, previous, ramp

SHIFTS = {"r": 0.2, "w": 0.9, "k": 0.7, "v": 0.7, "a": 0.9, "g": 0.2}


class HeadNorm(nn.GroupNorm):
    """torch's norm of groups, each a head, computed as a norm of rows, which is faster for small heads."""

    def forward(self, rows: Float[Tensor, "*place head size"]) -> Float[Tensor, "*place width"]:
        """Returns every head's numbers less their mean, over their deviation, scaled and moved by channel."""
        normed = F.layer_norm(rows, rows.shape[-1:], eps=self.eps).flatten(-2)
        return torch.addcmul(self.bias, normed, self.weight)


class RWKV7TimeMix(Mixer):
    """Keeps a matrix of keys and values a head, which every token decays, corrects and adds to (Peng et al., 2025).

    "RWKV-7 Goose with Expressive Dynamic State Evolution", arXiv:2503.14456, section 4.1, started as in the official
    training code. One part is left out: in the paper, every later layer mixes its values with those of the first layer
    (the value residual), which would couple blocks beside the residual stream. This is the first layer's time mix.

    Args:
        blocks: the model's number of blocks; two are a layer.
        heads: the number of states; it must divide the width.
        index: the block's place among them, from 0.
    """

    title: ClassVar[str] = "RWKV-7 time mix"
    recipe: ClassVar[str] = "rwkv7"

    # the paper's norm over each head, for heads of 64 channels, whatever their size here
    NORM_EPS = 64e-5
    # as small as torch's own norm has it: a vector this short is not brought to norm 1
    REMOVAL_EPSILON = 1e-24

    def __init__(self, width: int, blocks: int, heads: int = 1, index: int = 0) -> None:
        super().__init__()
        if heads < 1 or width % heads:
            raise ProbeError(
                f"A width of {width} cannot be split into {heads} heads of RWKV-7. Give a number that divides it."
            )
        self.heads = heads
        self.backend = "auto"
        self._start_vectors(width, Place(index, blocks))
        # a low-rank map each for decay, rate and gate, of the ranks that the official code suggests
        for name, factor in (("w", 2.5), ("a", 2.5), ("g", 5.0)):
            rank = max(32, round(factor * width**0.5 / 32) * 32)
            self.register_parameter(f"{name}1", nn.Parameter(torch.zeros(width, rank)))
            self.register_parameter(f"{name}2", nn.Parameter(orthogonal(rank, width, 0.1).weight.detach()))
        self.receptance, self.key, self.value = (nn.Linear(width, width, bias=False) for _ in range(3))
        for linear, bound in ((self.receptance, 0.5), (self.key, 0.05), (self.value, 0.5)):
            nn.init.uniform_(linear.weight, -bound * width**-0.5, bound * width**-0.5)
        self.output = orthogonal(width, width, gain=0.0)
        self.ln_x = HeadNorm(heads, width, eps=self.NORM_EPS)

    def _start_vectors(self, width: int, place: Place) -> None:
        for name, power in SHIFTS.items():
            share = 1 - ramp(width) ** (power * place.remaining)
            self.register_parameter(f"x_{name}", nn.Parameter(share.view(1, 1, width)))
        size = width // self.heads
        channel = torch.arange(width) / max(1, width - 1)
        centred = (torch.arange(width) % size - (size - 1) / 2) / max(0.5, (size - 1) / 2)
        zigzag = centred * centred.abs()
        decay = -6 + 6 * channel ** (1 + place.ratio**0.3)
        self.w0 = nn.Parameter((decay + 0.5 + 2.5 * zigzag).view(1, 1, width))
        self.a0 = nn.Parameter((-0.19 + 0.3 * zigzag + 0.4 * (channel - 0.5)).view(1, 1, width))
        self.k_k = nn.Parameter((0.71 - 0.1 * (channel - 0.5)).view(1, 1, width))
        self.k_a = nn.Parameter(torch.full((1, 1, width), 1.02))
        self.r_k = nn.Parameter(torch.full((self.heads, size), -0.04))

    def forward(self, hidden: Float[Tensor, "batch time width"]) -> Float[Tensor, "batch time width"]:
        """Returns the mixer's output at every token."""
        rows, gate = self._read(hidden, previous(hidden))
        return self._write(wkv7(*rows, backend=self.backend), rows, gate)

    def _read(self, hidden: Tensor, before: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        """Returns the arguments of `wkv7`, [batch, time, heads, size] each, and the gate."""
        x = {name: torch.lerp(hidden, before, self.get_parameter(f"x_{name}")) for name in SHIFTS}
        low_rank = torch.tanh(x["w"] @ self.get_parameter("w1")) @ self.get_parameter("w2")
        log_decay = -math.exp(-0.5) * torch.sigmoid(self.w0 + low_rank)
        rate = torch.sigmoid(self.a0 + x["a"] @ self.get_parameter("a1") @ self.get_parameter("a2"))
        gate = torch.sigmoid(x["g"] @ self.get_parameter("g1")) @ self.get_parameter("g2")
        key = self.key(x["k"])
        removal = unit_norm(self._by_head(key * self.k_k), self.REMOVAL_EPSILON)
        key = self._by_head(key * (1 + (rate - 1) * self.k_a))
        receptance, value = self._by_head(self.receptance(x["r"])), self._by_head(self.value(x["v"]))
        return (receptance, self._by_head(log_decay), key, value, removal, self._by_head(rate)), gate

    def _by_head(self, rows: Tensor) -> Tensor:
        return rows.view(*rows.shape[:2], *self.r_k.shape)

    def _write(self, read: Tensor, rows: tuple[Tensor, ...], gate: Tensor) -> Tensor:
        receptance, _, key, value, _, _ = rows
        normed = self.ln_x(read)
        bonus = (receptance * self.r_k * key).sum(-1, keepdim=True) * value
        result: Tensor = self.output((normed + bonus.flatten(2)) * gate)
        return result

    def start(self, batch: int) -> tuple[Tensor, ...]:
        """Returns the state before the first token: the token before, and every head's matrix, [value, key]."""
        heads, size = self.r_k.shape
        return self.r_k.new_zeros(batch, heads * size), self.r_k.new_zeros(batch, heads, size, size)

    def step(
        self, hidden: Float[Tensor, "batch width"], state: tuple[Tensor, ...]
    ) -> tuple[Float[Tensor, "batch width"], tuple[Tensor, ...]]:
        """Returns the mixer's output at one token, and the state after it."""
        before, matrices = state
        rows, gate = self._read(hidden[:, None], before[:, None])
        read, matrices = advance(matrices, *(row[:, 0] for row in rows))
        return self._write(read[:, None], rows, gate)[:, 0], (hidden, matrices)

    def flops(self, time: int) -> int:
        """Returns the forward floating-point operations for one sequence in the recurrent form.

        A multiply-add is two, an exp one. A number of a state takes 9: two to read what is removed, one to decay, two
        each to remove, add and read out. A channel takes 55 beside the maps, 18 of them for six token shifts.
        """
        heads, size = self.r_k.shape
        width = heads * size
        low_rank = sum(self.get_parameter(f"{name}{half}").numel() for name in "wag" for half in "12")
        return time * (2 * (4 * width**2 + low_rank) + 9 * width * size + 55 * width)


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
        """Returns the mixer's output at every token."""
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
        """Returns the mixer's output at one token, and the state after it."""
        return self._mixed(hidden[:, None], state[0][:, None])[:, 0], (hidden,)

    def flops(self, time: int) -> int:
        """Returns the forward floating-point operations for one sequence (a multiply-add is two).

        A channel takes 3 for the token shift and 8 for the squares of the widened ones' positive parts.
        """
        width = self.x_k.shape[-1]
        return time * (2 * 8 * width**2 + 11 * width)
