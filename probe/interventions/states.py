"""What a recurrent mixer remembers, exchanged between prompts while the model runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from probe.capture.hooks import StreamModel
from probe.interventions.mixers import Recurrent, State, reads
from probe.models.mamba import Mamba


@torch.no_grad()
def states_after(
    model: StreamModel,
    mixers: Mapping[int, nn.Module],
    inputs: Float[Tensor, "batch time dim"] | Int[Tensor, "batch time"],
) -> dict[int, State]:
    """Returns every mixer's state after the last of these tokens, by layer.

    Args:
        mixers: as `probe.interventions.mixers.recurrent` finds them.
    """
    found: dict[int, State] = {}
    for layer, hidden in reads(model, mixers, inputs).items():
        found[layer] = after(mixers[layer], hidden)
    return found


def after(mixer: nn.Module, hidden: Float[Tensor, "batch time width"]) -> State:
    """Returns a mixer's state after the last of these tokens."""
    state: State
    if isinstance(mixer, Mamba):
        return mixer.after(hidden)
    assert isinstance(mixer, Recurrent), f"{type(mixer).__name__} has no step form"
    state = mixer.start(len(hidden))
    for token in hidden.unbind(1):
        _, state = mixer.step(token, state)
    return state


@contextmanager
def continuing(mixer: nn.Module, token: int, state: State) -> Iterator[None]:
    """Makes a mixer go on from a given state at a token of the body's one forward pass; no hook outlives it.

    What it writes at earlier tokens stays as it was; from this one on it goes token by token.

    Args:
        state: all that the mixer is to remember of the tokens before.

    Raises:
        AssertionError: if the mixer was not called, or more than once.
    """
    assert isinstance(mixer, Recurrent), f"{type(mixer).__name__} has no step form"
    calls = 0

    def on_output(module: nn.Module, arguments: tuple[Any, ...], output: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        now, written = state, []
        for hidden in arguments[0][:, token:].unbind(1):
            one, now = mixer.step(hidden, now)
            written.append(one)
        return torch.cat([output[:, :token], torch.stack(written, dim=1)], dim=1)

    handle = mixer.register_forward_hook(on_output)
    try:
        yield
    finally:
        handle.remove()
    assert calls == 1, f"the mixer ran {calls} times in one forward pass, not once"
