"""The recurrent state as a site: what blocks remember of the tokens so far, in memory linear in their number."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from probe.capture.hooks import Place, StreamModel
from probe.capture.huggingface import HuggingFaceModel
from probe.capture.huggingface.cached import stepping_states
from probe.capture.huggingface.recurrences import reader_of
from probe.capture.huggingface.scan import running_scan
from probe.capture.sites.site import Cell, Keep, Site, kinds, places_of, watched
from probe.capture.sites.stepped import has_state, states_after_tokens
from probe.errors import ProbeError
from probe.models import Block


@dataclass(frozen=True, eq=False)
class Recurrence:
    """A mixer that keeps a state.

    Attributes:
        states: yields, of the mixer, what it reads and some tokens, the state after each of them.
    """

    layer: int
    mixer: nn.Module
    states: Callable[[Any, Tensor, Sequence[int]], Iterator[Tensor]]


class StateSite(Site):
    """The recurrent state of every block that has one, h_t after each token asked for.

    Our own blocks, and the Mamba mixers of transformers, are read from what enters them, one block at a time: no state
    is held but the running one. Any other model of transformers that keeps recurrent states in its cache goes token by
    token, by its own code.
    """

    def read(self, model: StreamModel, inputs: Tensor, tokens: Sequence[int], keep: Keep) -> Tensor:
        """Runs the model and hands over every block's state at the tokens."""
        found = recurrences(model)
        if found:
            with running_scan(_module(model)):
                return _read_inside(model, inputs, tokens, keep, found)
        if isinstance(model, HuggingFaceModel):
            return _read_cache(model, inputs, tokens, keep)
        raise without_state(model)


def recurrences(model: StreamModel) -> list[Recurrence]:
    """Returns the mixers whose states follow from what they read, by layer; none where only a cache holds states."""
    if not isinstance(model, HuggingFaceModel):
        own = [(layer, module.mixer) for layer, module in places_of(model) if isinstance(module, Block)]
        return [Recurrence(layer, mixer, states_after_tokens) for layer, mixer in own if has_state(mixer)]
    inner = [(layer, mixer) for layer, block in places_of(model) for mixer in block.modules()]
    readers = [(layer, mixer, reader_of(mixer)) for layer, mixer in inner]
    return [Recurrence(layer, mixer, reader) for layer, mixer, reader in readers if reader is not None]


def read_by(model: StreamModel, found: Sequence[Recurrence], inputs: Tensor) -> dict[int, Tensor]:
    """Runs the model and returns what its recurrent mixers read at every token, by layer."""
    seen: dict[int, Tensor] = {}

    def see(number: int, hidden: Tensor) -> None:
        seen[found[number].layer] = hidden.detach().clone()

    with torch.no_grad(), running_scan(_module(model)):
        watched(model, inputs, [inputs.shape[1] - 1], _places(found), see)
    return seen


def _module(model: StreamModel) -> nn.Module:
    module: nn.Module = model.model  # type: ignore[attr-defined]  # every model of ours wraps one
    return module


def _places(found: Sequence[Recurrence]) -> list[Place]:
    return [Place(f"the mixer of layer {one.layer}", one.mixer, "input", _itself) for one in found]


def without_state(model: StreamModel) -> ProbeError:
    """Returns the error of a model that keeps no recurrent state."""
    return ProbeError(
        f"The model's blocks are {kinds(model)}, but --site state needs blocks with a recurrent state. Give --site "
        "stream or attention, or for a module of your own --site module:PATH."
    )


def _read_inside(
    model: StreamModel,
    inputs: Tensor,
    tokens: Sequence[int],
    keep: Keep,
    found: Sequence[Recurrence],
) -> Tensor:
    def see(number: int, hidden: Tensor) -> None:
        one = found[number]
        for place, state in enumerate(one.states(one.mixer, hidden[:, : tokens[-1] + 1], tokens)):
            keep(Cell(one.layer), place, state)

    return watched(model, inputs, tokens, _places(found), see)


def _read_cache(model: HuggingFaceModel, inputs: Tensor, tokens: Sequence[int], keep: Keep) -> Tensor:
    outputs = []
    for place, (states, logits) in enumerate(stepping_states(model.model, inputs, tokens)):
        if not states:
            raise without_state(model)
        for layer, state in states.items():
            keep(Cell(layer), place, state)
        outputs.append(logits)
    return torch.stack(outputs, dim=1)


def _itself(hidden: Any) -> Tensor:
    read: Tensor = hidden
    return read
