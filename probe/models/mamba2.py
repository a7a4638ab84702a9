"""The Mamba-2 mixer, with the official package's parameter names and initialisation."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from probe.errors import ProbeError
from probe.kernels.rms_norm import RMSNorm
from probe.kernels.ssd import ssd
from probe.kernels.ssd.reference import ssd_step
from probe.models.mixer import Mixer
from probe.models.short_convolution import ShortConvolution


class Mamba2(Mixer):
    """Mixes tokens by a short convolution and a state space of one decay a head (Dao and Gu, 2024, arXiv:2405.21060).

    The block of section 7.1, with B and C shared by all heads: x, B and C come from the stream at once and pass
    through the convolution together, and the gated output is normed before the last projection.

    Args:
        blocks: the model's number of blocks, by whose square root the output weights are divided.
        heads: the number of heads; it must divide the inner width, which is twice the stream's.
        states: the state's size for each inner channel.
    """

    title: ClassVar[str] = "Mamba-2"
    model_norm: ClassVar[Literal["rms", "layer"]] = "rms"
    recipe: ClassVar[str] = "mamba2"

    TAPS = 4
    EXPAND = 2
    RATES = (1.0, 16.0)
    STEP_RANGE = (1e-3, 1e-1)
    STEP_FLOOR = 1e-4
    NORM_EPSILON = 1e-5

    def __init__(self, width: int, blocks: int, heads: int = 4, states: int = 64) -> None:
        super().__init__()
        inner = self.EXPAND * width
        if heads < 1 or inner % heads:
            raise ProbeError(
                f"Mamba-2's inner width of {inner} cannot be split into {heads} heads. Give a number that divides it."
            )
        if states < 1:
            raise ProbeError(f"Mamba-2 was given {states} states a channel, but it needs one or more. Give states=64.")
        self.heads, self.states = heads, states
        self.in_proj = nn.Linear(width, 2 * inner + 2 * states + heads, bias=False)
        self.conv1d = ShortConvolution(inner + 2 * states, self.TAPS, bias=True)
        low, high = map(math.log, self.STEP_RANGE)
        step = torch.exp(low + torch.rand(heads) * (high - low)).clamp(min=self.STEP_FLOOR)
        # the inverse of softplus, so that the first step sizes are log-uniform in STEP_RANGE
        self.dt_bias = nn.Parameter(step + torch.log(-torch.expm1(-step)))
        self.A_log = nn.Parameter(torch.empty(heads).uniform_(*self.RATES).log())
        self.D = nn.Parameter(torch.ones(heads))
        self.norm = RMSNorm(inner, eps=self.NORM_EPSILON)
        self.out_proj = nn.Linear(inner, width, bias=False)
        with torch.no_grad():
            self.out_proj.weight.div_(math.sqrt(blocks))

    def forward(self, hidden: Float[Tensor, "batch time width"]) -> Float[Tensor, "batch time width"]:
        """Returns the mixer's output at every token."""
        z, mixed, step = self._inputs(hidden)
        x, b, c = self._sources(self.conv1d(mixed))
        return self._write(ssd(x, step, -torch.exp(self.A_log), b, c, self.D), z)

    def start(self, batch: int) -> tuple[Tensor, ...]:
        """Returns the state before the first token: the convolution's past and the heads' states, zeros."""
        state = self.D.new_zeros(batch, self.heads, self.out_proj.in_features // self.heads, self.states)
        return self.conv1d.start(batch, state), state

    def step(
        self, hidden: Float[Tensor, "batch width"], state: tuple[Tensor, ...]
    ) -> tuple[Float[Tensor, "batch width"], tuple[Tensor, ...]]:
        """Returns the mixer's output at one token, and the state after it."""
        recent, matrix = state
        z, mixed, step = self._inputs(hidden)
        mixed, recent = self.conv1d.step(mixed, recent)
        x, b, c = self._sources(mixed)
        y, matrix = ssd_step(x, step, -torch.exp(self.A_log), b, c, self.D, matrix)
        return self._write(y, z), (recent, matrix)

    def flops(self, time: int) -> int:
        """Returns the forward floating-point operations for one sequence (a multiply-add is two).

        The state is counted in its recurrent form; the chunked form does more operations.
        """
        linear = self.in_proj.weight.numel() + self.out_proj.weight.numel()
        # a number of the state: a product for the decay, a multiply-add each for writing and for reading
        state = 5 * self.out_proj.in_features * self.states
        return time * (2 * linear + state) + self.conv1d.flops(time)

    def _inputs(self, hidden: Float[Tensor, "*place width"]) -> tuple[Tensor, Tensor, Tensor]:
        """Returns the gate, what enters the convolution, and the step size of each head."""
        sizes = [self.out_proj.in_features, self.conv1d.in_channels, self.heads]
        # one product each, since what comes back would have to be put together, and what goes on to be taken apart
        z, mixed, step = (F.linear(hidden, weight) for weight in torch.split(self.in_proj.weight, sizes))
        return z, mixed, F.softplus(step + self.dt_bias)

    def _sources(self, mixed: Float[Tensor, "*place channels"]) -> tuple[Tensor, Tensor, Tensor]:
        """Returns x by head, B and C."""
        x, b, c = torch.split(mixed, [self.out_proj.in_features, self.states, self.states], dim=-1)
        return x.reshape(*x.shape[:-1], self.heads, -1), b, c

    def _write(
        self, y: Float[Tensor, "*place head size"], z: Float[Tensor, "*place inner"]
    ) -> Float[Tensor, "*place width"]:
        result: Tensor = self.out_proj(self.norm(y.flatten(-2) * F.silu(z)))
        return result
