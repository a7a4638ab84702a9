"""The Mamba-1 mixer, with the official package's parameter names and initialisation, and its ablations."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from probe.kernels.selective_scan import selective_scan
from probe.kernels.selective_scan.reference import selective_scan_step
from probe.kernels.selective_scan.states import selective_scan_states
from probe.models.mixer import Mixer
from probe.models.short_convolution import NoConvolution, ShortConvolution

Source = Literal["selective", "constant"]
Switch = Literal["on", "off"]


@dataclass(frozen=True, eq=False)
class MambaInside:
    """The inner quantities of a Mamba mixer on a batch.

    Attributes:
        entering: what enters the short convolution.
        convolution: what leaves the short convolution and its SiLU, and enters the scan.
        delta: the step sizes, after bias and softplus.
        B: what is written to the state.
        C: what is read from it.
        gate: the factor on the scan's output, after its SiLU; None without a gate.
        rates: the continuous decay rates A, negative.
    """

    entering: Float[Tensor, "batch time inner"]
    convolution: Float[Tensor, "batch time inner"]
    delta: Float[Tensor, "batch time inner"]
    B: Float[Tensor, "batch time state"]
    C: Float[Tensor, "batch time state"]
    gate: Float[Tensor, "batch time inner"] | None
    rates: Float[Tensor, "inner state"]

    @cached_property
    def states(self) -> Float[Tensor, "batch time inner state"]:
        """h_t after every token."""
        return self.states_at(range(self.delta.shape[1]))

    def states_at(self, tokens: Sequence[int]) -> Float[Tensor, "batch token inner state"]:
        """Returns h_t after some tokens.

        Args:
            tokens: ascending, each once.
        """
        return selective_scan_states(self.convolution, self.delta, self.rates, self.B, tokens)

    def attention(self, at: int) -> Float[Tensor, "batch source inner"]:
        """Returns by how much each earlier token's convolution output enters a token's scan output, channel by channel.

        The implicit attention of Ali et al. (2024), arXiv:2403.01590, eq. 11, without the skip D: the sum over states
        of C_t exp(A (delta_(s+1) + ... + delta_t)) delta_s B_s.

        Args:
            at: the place of the token that reads.
        """
        elapsed = self.delta[:, : at + 1].cumsum(1)
        since = elapsed[:, -1:] - elapsed
        decay = torch.exp(since.unsqueeze(-1) * self.rates)
        read: Tensor = torch.einsum("bsin,bn,bsn->bsi", decay, self.C[:, at], self.B[:, : at + 1])
        return read * self.delta[:, : at + 1]


class Mamba(Mixer):
    """Mixes tokens by a short convolution and a selective scan (Gu and Dao, 2023, arXiv:2312.00752, section 3.4).

    What is selective depends on the token; what is constant is learned but the same at every token, and the rest of
    the mixer stays as it is: B and C are still shared by all channels, unlike in S4, and the step size is still one a
    channel. With all three constant the scan is linear and time-invariant.

    Args:
        width: the stream's width; the inner width is twice that, the step size's rank a sixteenth.
        blocks: the model's number of blocks, by whose square root the output weights are divided.
        delta: whether the step size depends on the token; a constant one is its bias alone, which starts as ever.
        B: whether what is written to the state depends on the token; a constant B starts at 1, as in S4D (Gu et al.,
            2022, arXiv:2206.11893).
        C: whether what is read from the state depends on the token; a constant C starts from N(0, 1), as in S4D.
        conv: whether there is a short convolution; without it the SiLU behind it stays.
        gate: whether the output is multiplied by a SiLU of the input; without it `in_proj` is half as large.
    """

    title: ClassVar[str] = "Mamba"
    model_norm: ClassVar[Literal["rms", "layer"]] = "rms"

    STATE = 16
    TAPS = 4
    EXPAND = 2
    STEP_RANGE = (1e-3, 1e-1)
    STEP_FLOOR = 1e-4

    def __init__(
        self,
        width: int,
        blocks: int,
        delta: Source = "selective",
        B: Source = "selective",
        C: Source = "selective",
        conv: Switch = "on",
        gate: Switch = "on",
    ) -> None:
        super().__init__()
        inner, self.rank = self.EXPAND * width, math.ceil(width / 16)
        self.backend = "auto"
        self.gated = gate == "on"
        self.in_proj = nn.Linear(width, (1 + self.gated) * inner, bias=False)
        self.conv1d = ShortConvolution(inner, self.TAPS, bias=True) if conv == "on" else NoConvolution(inner)
        # what x_proj gives for delta, B and C, nothing for what is constant
        self.parts = [size * (source == "selective") for size, source in self._sizes(delta, B, C)]
        self.x_proj = nn.Linear(inner, sum(self.parts), bias=False) if any(self.parts) else None
        self.dt_proj = nn.Linear(self.rank, inner) if delta == "selective" else None
        self.dt_bias = nn.Parameter(torch.empty(inner)) if delta == "constant" else None
        self.A_log = nn.Parameter(torch.log(torch.arange(1.0, self.STATE + 1)).repeat(inner, 1))
        self.D = nn.Parameter(torch.ones(inner))
        self.out_proj = nn.Linear(inner, width, bias=False)
        self._initialise(blocks)
        self.B = nn.Parameter(torch.ones(self.STATE)) if B == "constant" else None
        self.C = nn.Parameter(torch.randn(self.STATE)) if C == "constant" else None

    def _sizes(self, delta: Source, B: Source, C: Source) -> list[tuple[int, Source]]:
        return [(self.rank, delta), (self.STATE, B), (self.STATE, C)]

    @torch.no_grad()
    def _initialise(self, blocks: int) -> None:
        if self.dt_proj is not None:
            nn.init.uniform_(self.dt_proj.weight, -(self.rank**-0.5), self.rank**-0.5)
        low, high = map(math.log, self.STEP_RANGE)
        step = torch.exp(low + torch.rand(len(self.D)) * (high - low)).clamp(min=self.STEP_FLOOR)
        # the inverse of softplus, so that the first step sizes are log-uniform in STEP_RANGE
        self._step_bias().copy_(step + torch.log(-torch.expm1(-step)))
        self.out_proj.weight.div_(math.sqrt(blocks))

    def forward(self, hidden: Float[Tensor, "batch time width"]) -> Float[Tensor, "batch time width"]:
        """Returns the mixer's output at every token."""
        x, z = self._inputs(hidden)
        x = self.conv1d(x, backend=self.backend)
        delta, b, c = self._selected(x)
        y = selective_scan(x, delta, self._rates(), b, c, self.D, z, self._step_bias(), backend=self.backend)
        result: Tensor = self.out_proj(y)
        return result

    @torch.no_grad()
    def inside(self, hidden: Float[Tensor, "batch time width"]) -> MambaInside:
        """Returns the mixer's inner quantities at every token, by the reference scan."""
        entering, z = self._inputs(hidden)
        x = self.conv1d(entering, backend="reference")
        delta, b, c = self._selected(x)
        step = F.softplus(delta + self._step_bias())
        return MambaInside(entering, x, step, b, c, None if z is None else F.silu(z), self._rates())

    def scanned(self, hidden: Float[Tensor, "batch time width"]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Returns what the scan's states follow from: its inputs, the step sizes, the rates A, and B."""
        return self._driven(self._inputs(hidden)[0], "reference")

    def _driven(
        self, entering: Float[Tensor, "batch time inner"], backend: str
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Returns what `scanned` does, of what enters the short convolution, run on the named backend."""
        x = self.conv1d(entering, backend=backend)
        delta, b, _ = self._selected(x)
        return x, F.softplus(delta + self._step_bias()), self._rates(), b

    def held(
        self, hidden: Float[Tensor, "batch time width"], constants: Mapping[str, Float[Tensor, " channels"]]
    ) -> Float[Tensor, "batch time width"]:
        """Returns the mixer's output where some of its inner quantities are the same at every token.

        Args:
            constants: by the names of `MambaInside`, in the same units: convolution, delta, B, C, gate; and
                ``lookback``, what stands for every earlier token in the short convolution.
        """
        entering, z = self._inputs(hidden)
        x, bias = self._convolved(entering, constants), self._step_bias()
        delta, b, c = self._selected(x)
        b, c = constants.get("B", b).expand_as(b), constants.get("C", c).expand_as(c)
        if "delta" in constants:
            step = constants["delta"]
            # the inverse of softplus; far enough down for a step of exactly 0
            delta = (step + torch.log(-torch.expm1(-step))).clamp(min=-1e4).expand_as(delta)
            bias = torch.zeros_like(bias)
        gate = constants.get("gate")
        scanned = z if gate is None else None
        y = selective_scan(x, delta, self._rates(), b, c, self.D, scanned, bias, backend=self.backend)
        result: Tensor = self.out_proj(y if gate is None else y * gate)
        return result

    def _convolved(self, entering: Tensor, constants: Mapping[str, Tensor]) -> Tensor:
        if "convolution" in constants:
            return constants["convolution"].expand_as(entering)
        if "lookback" in constants:
            assert isinstance(self.conv1d, ShortConvolution), "without a convolution there is nothing to look back with"
            return self.conv1d.alone(entering, constants["lookback"])
        result: Tensor = self.conv1d(entering, backend=self.backend)
        return result

    def start(self, batch: int) -> tuple[Tensor, ...]:
        """Returns the state before the first token: the convolution's past and the scan's state, zeros."""
        state = self.D.new_zeros(batch, len(self.D), self.STATE)
        return self.conv1d.start(batch, state), state

    def step(
        self, hidden: Float[Tensor, "batch width"], state: tuple[Tensor, ...]
    ) -> tuple[Float[Tensor, "batch width"], tuple[Tensor, ...]]:
        """Returns the mixer's output at one token, and the state after it."""
        recent, h = state
        x, z = self._inputs(hidden)
        x, recent = self.conv1d.step(x, recent)
        delta, b, c = self._selected(x)
        y, h = selective_scan_step(x, F.softplus(delta + self._step_bias()), self._rates(), b, c, self.D, h)
        result: Tensor = self.out_proj(y if z is None else y * F.silu(z))
        return result, (recent, h)

    def after(self, hidden: Float[Tensor, "batch time width"]) -> tuple[Tensor, Tensor]:
        """Returns the state after the last of these tokens, which is that of `step` after each of them, to rounding."""
        recent, h = self.start(len(hidden))
        if not hidden.shape[1]:
            return recent, h
        in_x = self.in_proj.weight.chunk(2)[0] if self.gated else self.in_proj.weight
        entering = F.linear(hidden, in_x)
        states = selective_scan_states(*self._driven(entering, "auto"), [hidden.shape[1] - 1])
        past = torch.cat([recent, entering], dim=1)[:, entering.shape[1] :]
        return past, states[:, 0]

    def _inputs(self, hidden: Float[Tensor, "*place width"]) -> tuple[Tensor, Tensor | None]:
        if not self.gated:
            return self.in_proj(hidden), None
        # x and z come from the two halves of in_proj apart, so that both are contiguous without a copy
        in_x, in_z = self.in_proj.weight.chunk(2)
        return F.linear(hidden, in_x), F.linear(hidden, in_z)

    def _selected(self, x: Float[Tensor, "*place inner"]) -> tuple[Tensor, Tensor, Tensor]:
        """Returns the step size before its bias, B and C at every token."""
        sources = x[..., :0] if self.x_proj is None else self.x_proj(x)
        step, b, c = sources.split(self.parts, dim=-1)
        states = (*x.shape[:-1], self.STATE)
        return (
            torch.zeros_like(x) if self.dt_proj is None else F.linear(step, self.dt_proj.weight),
            b if self.B is None else self.B.expand(states),
            c if self.C is None else self.C.expand(states),
        )

    def _rates(self) -> Float[Tensor, "inner state"]:
        return -torch.exp(self.A_log.float())

    def _step_bias(self) -> Tensor:
        return self.dt_bias if self.dt_proj is None else self.dt_proj.bias  # type: ignore[return-value]  # one is there

    def flops(self, time: int) -> int:
        """Returns the forward floating-point operations for one sequence (a multiply-add is two, an exp one)."""
        inner = self.out_proj.in_features
        projections = (self.in_proj, self.x_proj, self.dt_proj, self.out_proj)
        linear = sum(projection.weight.numel() for projection in projections if projection is not None)
        # a state update: product and exp for the decay, two multiply-adds, a product for B u, a multiply-add for y
        return time * (2 * linear + 9 * inner * self.STATE) + self.conv1d.flops(time)
