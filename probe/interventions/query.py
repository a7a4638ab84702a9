"""Passes of which the last token alone is computed, since what is changed there reaches no earlier one.

Recurrent mixers go on from what they remember of the tokens before, in about a fifth of a whole pass's time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from probe.capture.hooks import StreamModel
from probe.capture.native import NativeModel
from probe.interventions.mixers import Recurrent, State, recurrent
from probe.interventions.resume import running
from probe.interventions.states import after, continuing
from probe.models import Block
from probe.models.mlp import MLP

Remembered = Mapping[int, State]
"""What every mixer of a model remembers, by layer; nothing of those that take each token by itself."""


@torch.no_grad()
def remembered(model: StreamModel, stream: Float[Tensor, "layer batch time width"]) -> Remembered | None:
    """Returns what the model's mixers remember of all tokens but the last of a pass.

    Returns None where a block cannot go one token at a time, as attention cannot, or reads more than the stream; then
    passes are computed whole.

    Args:
        stream: what the pass holds at every token.
    """
    if not isinstance(model, NativeModel):
        return None
    found: dict[int, State] = {}
    for layer, block in enumerate(model.model.blocks, start=1):
        assert isinstance(block, Block)
        if block.input != "none":
            return None
        if isinstance(block.mixer, MLP):
            found[layer] = ()
        elif isinstance(block.mixer, Recurrent):
            earlier = stream[layer - 1][:, :-1]
            found[layer] = after(block.mixer, block.norm(earlier) if block.residual == "pre" else earlier)
        else:
            return None
    return found


@contextmanager
def last_alone(
    model: StreamModel, memory: Remembered | None, token: int, changed: Mapping[int, State] | None = None
) -> Iterator[None]:
    """Has the body's passes compute the last token alone; what they hold at earlier ones then means nothing.

    Args:
        memory: what `remembered` returned of the same prompts; with None passes are computed whole.
        token: the last token's place.
        changed: states that mixers go on from in place of their own, by layer.
    """
    states = changed or {}
    with ExitStack() as stack:
        if memory is None:
            mixers = recurrent(model) if states else {}
            for layer, state in states.items():
                stack.enter_context(continuing(mixers[layer], token, state))
        else:
            assert isinstance(model, NativeModel), "models that are not of probe's own remember nothing"
            for layer, block in enumerate(model.model.blocks, start=1):
                assert isinstance(block, Block)
                stack.enter_context(running(block.mixer, _one_token(block.mixer, states.get(layer, memory[layer]))))
        yield


def _one_token(mixer: nn.Module, state: State) -> Callable[..., Tensor]:
    """Returns a forward pass that writes at the last token alone, and zeros before it."""
    whole = mixer.forward

    def forward(hidden: Tensor, *rest: Any) -> Tensor:
        now = hidden[:, -1:]
        written = mixer.step(now[:, 0], state)[0][:, None] if isinstance(mixer, Recurrent) else whole(now, *rest)
        return torch.cat([hidden.new_zeros(*hidden.shape[:1], hidden.shape[1] - 1, hidden.shape[2]), written], dim=1)

    return forward
