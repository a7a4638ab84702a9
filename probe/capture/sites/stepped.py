"""The state of our own mixers after some tokens alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from probe.kernels.selective_scan.states import selective_scan_states_at
from probe.models.deltanet import DeltaNet
from probe.models.gated_deltanet import GatedDeltaNet
from probe.models.linear_attention import LinearAttention
from probe.models.mamba import Mamba
from probe.models.mamba2 import Mamba2
from probe.models.recurrent import LSTM, RNN
from probe.models.rwkv4 import RWKV4ChannelMix, RWKV4TimeMix
from probe.models.rwkv7 import RWKV7ChannelMix, RWKV7TimeMix
from probe.models.s4_mamba import S4Mamba
from probe.models.s4d import S4D

State = tuple[Tensor, ...]

STEPPED: dict[type[nn.Module], Callable[[State], Tensor]] = {
    Mamba2: lambda state: state[1],
    RWKV7TimeMix: lambda state: state[1],
    # the weighted mean of the values so far: its two sums are scaled alike at every token
    RWKV4TimeMix: lambda state: state[1] / state[2].clamp(min=torch.finfo(state[2].dtype).tiny),
    S4D: lambda state: state[0],
    S4Mamba: lambda state: state[1],
    LSTM: lambda state: torch.cat([state[0][0], state[1][0]], dim=-1),
    RNN: lambda state: state[0][0],
    LinearAttention: lambda state: state[-1],
    DeltaNet: lambda state: state[-1],
    GatedDeltaNet: lambda state: state[-1],
}
"""What is the state of mixers that are read token by token, of all that their step form passes on."""
SHIFTED = (RWKV4ChannelMix, RWKV7ChannelMix)
"""Mixers that remember the last token itself and nothing else, which is no state that heads are asked about."""


@runtime_checkable
class Stepping(Protocol):
    """A mixer that can go one token at a time."""

    def start(self, batch: int) -> State:
        """Returns the state before the first token."""

    def step(self, hidden: Float[Tensor, "batch width"], state: State) -> tuple[Float[Tensor, "batch width"], State]:
        """Returns the mixer's output at one token, and the state after it."""


def has_state(mixer: nn.Module) -> bool:
    """Returns whether a mixer keeps a state from token to token."""
    return isinstance(mixer, Stepping) and not isinstance(mixer, SHIFTED)


def states_after_tokens(
    mixer: nn.Module, hidden: Float[Tensor, "batch time width"], tokens: Sequence[int]
) -> Iterator[Float[Tensor, "batch numbers"]]:
    """Yields the state of a mixer of ours after each of the tokens, and holds no other; differentiable.

    A Mamba's is the scan's, a Mamba-2's, an RWKV-7's and a fast weight layer's are its matrices, an RWKV-4's the
    weighted mean of its values, an S4D's its modes as real and imaginary parts, an LSTM's its hidden state and cell. Of
    a mixer that is not known, it is all that its `step` passes on.

    Args:
        hidden: what the mixer reads.
        tokens: ascending, each once.
    """
    if isinstance(mixer, Mamba):
        u, step, rates, b = mixer.scanned(hidden)
        for state in selective_scan_states_at(u, step, rates, b, tokens):
            yield state.flatten(1)
        return
    assert isinstance(mixer, Stepping), f"{type(mixer).__name__} has no step form"
    read: Callable[[State], Tensor] = STEPPED.get(type(mixer), _all)
    now, first = mixer.start(len(hidden)), 0
    for token in tokens:
        for place in range(first, token + 1):
            _, now = mixer.step(hidden[:, place], now)
        first = token + 1
        yield read(now).flatten(1)


def _all(state: State) -> Tensor:
    return torch.cat([part.flatten(1) for part in state], dim=-1)
