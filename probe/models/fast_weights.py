"""The part that linear attention, DeltaNet and Gated DeltaNet share: projections, and a matrix a head as state."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from probe.errors import ProbeError
from probe.kernels.delta_rule import delta_rule
from probe.kernels.delta_rule.reference import delta_rule_states, delta_rule_step
from probe.kernels.rms_norm import RMSNorm, unit_norm
from probe.models.mixer import Mixer
from probe.models.short_convolution import NoConvolution, ShortConvolution

Switch = Literal["on", "off"]
Feature = Literal["silu", "none"]
Sources = tuple[Tensor, Tensor, Tensor, Tensor | None, Tensor | None]


class FastWeights(Mixer):
    """Mixes tokens by a matrix a head, written under keys and read by queries that the tokens give.

    The layer is that of DeltaNet (Yang et al., 2024, arXiv:2406.06484, section 3), with the parameter names of its
    official package: queries, keys and values pass through a short convolution and SiLU, queries and keys are brought
    to norm 1, and each head's output is normed before the last projection. How strongly the matrix is written, what
    it forgets and whether the output is gated is up to the subclass. Linear maps start as in `torch.nn.Linear`.

    Args:
        blocks: the model's number of blocks, by whose square root the output weights are divided.
        heads: the number of heads; it must divide the width.
        conv: whether there is a short convolution; without it the SiLU behind it stays.
        expand: the width of all heads' values over that of their keys, which is the stream's.
        feature: whether q, k and v pass through SiLU and q and k are brought to norm 1; none needs `conv` off.
        norm: whether each head's output is normed before the last projection.
    """

    NAME: ClassVar[str]

    TAPS = 4
    # as in the official package: below this a key is treated as zero
    KEY_EPSILON = 1e-6
    NORM_EPSILON = 1e-5
    # what a step takes for a number of the state: a multiply-add each for writing and for reading
    OPERATIONS: ClassVar[int] = 4

    def __init__(
        self,
        width: int,
        blocks: int,
        heads: int,
        conv: Switch,
        expand: int = 1,
        feature: Feature = "silu",
        norm: Switch = "on",
    ) -> None:
        super().__init__()
        if feature == "none" and conv == "on":
            raise ProbeError(
                f"{self.NAME} was given feature=none with a short convolution, which contains a SiLU. "
                "Switch it off too, by conv=off."
            )
        if heads < 1 or width % heads:
            raise ProbeError(f"A width of {width} cannot be split into {heads} heads. Give a number that divides it.")
        if expand < 1:
            raise ProbeError(f"Values {expand} times as wide as the keys were asked for. Give expand=1 or more.")
        self.heads, self.feature = heads, feature
        inner = expand * width
        self.q_proj = nn.Linear(width, width, bias=False)
        self.k_proj = nn.Linear(width, width, bias=False)
        self.v_proj = nn.Linear(width, inner, bias=False)
        self.q_conv1d, self.k_conv1d, self.v_conv1d = (
            ShortConvolution(channels, self.TAPS, bias=False)
            if conv == "on"
            else NoConvolution(channels, silu=feature == "silu")
            for channels in (width, width, inner)
        )
        self.o_norm: nn.Module = RMSNorm(inner // heads, eps=self.NORM_EPSILON) if norm == "on" else nn.Identity()
        self.o_proj = nn.Linear(inner, width, bias=False)
        with torch.no_grad():
            self.o_proj.weight.div_(math.sqrt(blocks))

    def forward(self, hidden: Float[Tensor, "batch time width"]) -> Float[Tensor, "batch time width"]:
        """Returns the mixer's output at every token."""
        read = delta_rule(*self._operands(hidden))
        return self._write(read.transpose(1, 2), hidden)

    def states(self, hidden: Float[Tensor, "batch time width"]) -> Float[Tensor, "batch head time value key"]:
        """Returns every head's matrix S_t after every token.

        It is the ground truth of a known online learner: the weights of a linear map from the head's keys to its
        values, fitted to the tokens so far; `probe.kernels.delta_rule.reference` says which learner. Token by token,
        in time and memory: meant for looking at a model, not for training one.
        """
        return delta_rule_states(*self._operands(hidden))[1]

    def start(self, batch: int) -> tuple[Tensor, ...]:
        """Returns the state before the first token: three convolutions' pasts and the heads' matrices, zeros."""
        keys, values = self.q_proj.out_features // self.heads, self.v_proj.out_features // self.heads
        matrix = self.o_proj.weight.new_zeros(batch, self.heads, values, keys)
        pasts = [conv.start(batch, matrix) for conv in (self.q_conv1d, self.k_conv1d, self.v_conv1d)]
        return (*pasts, matrix)

    def step(
        self, hidden: Float[Tensor, "batch width"], state: tuple[Tensor, ...]
    ) -> tuple[Float[Tensor, "batch width"], tuple[Tensor, ...]]:
        """Returns the mixer's output at one token, and the state after it."""
        q_past, k_past, v_past, matrix = state
        query, q_past = self.q_conv1d.step(self.q_proj(hidden), q_past)
        key, k_past = self.k_conv1d.step(self.k_proj(hidden), k_past)
        value, v_past = self.v_conv1d.step(self.v_proj(hidden), v_past)
        read, matrix = delta_rule_step(*self._sources(hidden, query, key, value), matrix)
        return self._write(read, hidden), (q_past, k_past, v_past, matrix)

    def flops(self, time: int) -> int:
        """Returns the forward floating-point operations for one sequence (a multiply-add is two).

        The state is counted in its recurrent form; the chunked form does more operations.
        """
        linear = sum(module.weight.numel() for module in self.modules() if isinstance(module, nn.Linear))
        convolutions = sum(conv.flops(time) for conv in (self.q_conv1d, self.k_conv1d, self.v_conv1d))
        numbers = self.q_proj.out_features * self.v_proj.out_features // self.heads
        return time * (2 * linear + self.OPERATIONS * numbers) + convolutions

    def _operands(self, hidden: Float[Tensor, "batch time width"]) -> Sources:
        """Returns the kernel's arguments, heads before time."""
        query = self.q_conv1d(self.q_proj(hidden))
        key = self.k_conv1d(self.k_proj(hidden))
        value = self.v_conv1d(self.v_proj(hidden))
        query, key, value, beta, log_decay = self._sources(hidden, query, key, value)
        return (
            query.transpose(1, 2),
            key.transpose(1, 2),
            value.transpose(1, 2),
            None if beta is None else beta.transpose(1, 2),
            None if log_decay is None else log_decay.transpose(1, 2),
        )

    def _sources(
        self,
        hidden: Float[Tensor, "*place width"],
        query: Float[Tensor, "*place keys"],
        key: Float[Tensor, "*place keys"],
        value: Float[Tensor, "*place values"],
    ) -> Sources:
        query, key, value = (x.reshape(*x.shape[:-1], self.heads, -1) for x in (query, key, value))
        return self._scaled(query), self._scaled(key), value, self._beta(hidden), self._log_decay(hidden)

    def _write(
        self, read: Float[Tensor, "*place head value"], hidden: Float[Tensor, "*place width"]
    ) -> Float[Tensor, "*place width"]:
        result: Tensor = self.o_proj(self._gated(self.o_norm(read).flatten(-2), hidden))
        return result

    def _scaled(self, x: Float[Tensor, "*place head size"]) -> Float[Tensor, "*place head size"]:
        if self.feature == "none":
            return x
        return unit_norm(x, self.KEY_EPSILON)

    def _beta(self, hidden: Float[Tensor, "*place width"]) -> Float[Tensor, "*place head"] | None:
        return None

    def _log_decay(self, hidden: Float[Tensor, "*place width"]) -> Float[Tensor, "*place head"] | None:
        return None

    def _gated(
        self, normed: Float[Tensor, "*place values"], hidden: Float[Tensor, "*place width"]
    ) -> Float[Tensor, "*place values"]:
        return normed
