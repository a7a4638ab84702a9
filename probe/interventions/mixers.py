"""The mixers of a model's blocks that interventions reach into, and what each of them reads on a pass."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from probe.capture.hooks import StreamModel
from probe.errors import ProbeError
from probe.models import Block
from probe.models.mamba import Mamba

State = tuple[Tensor, ...]
"""All that a mixer remembers of the tokens it has seen."""


@runtime_checkable
class Recurrent(Protocol):
    """A mixer that can go one token at a time."""

    def start(self, batch: int) -> State:
        """Returns the state before the first token."""

    def step(self, hidden: Float[Tensor, "batch width"], state: State) -> tuple[Float[Tensor, "batch width"], State]:
        """Returns the mixer's output at one token, and the state after it."""


def mambas(model: StreamModel) -> dict[int, Mamba]:
    """Returns the Mamba mixers of our own blocks, by layer.

    Raises:
        ProbeError: if there is none.
    """
    found = {layer: mixer for layer, mixer in _mixers(model).items() if isinstance(mixer, Mamba)}
    if not found:
        raise _missing(model, "Mamba mixers")
    return found


def recurrent(model: StreamModel) -> dict[int, nn.Module]:
    """Returns the mixers of our own blocks that hold a state and can go one token at a time, by layer.

    Raises:
        ProbeError: if there is none.
    """
    found: dict[int, nn.Module] = {
        layer: mixer for layer, mixer in _mixers(model).items() if isinstance(mixer, Recurrent)
    }
    if not found:
        raise _missing(model, "mixers with a state")
    return found


def _mixers(model: StreamModel) -> dict[int, nn.Module]:
    modules = [place.module for place in model.places]
    return {layer: each.mixer for layer, each in enumerate(modules) if layer and isinstance(each, Block)}


def _missing(model: StreamModel, needed: str) -> ProbeError:
    inner = _mixers(model).values() or [place.module for place in model.places]
    kinds = ", ".join(sorted({type(module).__name__ for module in inner}))
    return ProbeError(f"The model's blocks are {kinds}, but {needed} of our own are needed. Leave this test out.")


@torch.no_grad()
def reads(
    model: StreamModel,
    mixers: Mapping[int, nn.Module],
    inputs: Float[Tensor, "batch time dim"] | Int[Tensor, "batch time"],
) -> dict[int, Float[Tensor, "batch time width"]]:
    """Runs the model and returns what its mixers read, by layer."""
    seen: dict[int, Tensor] = {}
    with ExitStack() as hooks:
        for layer, mixer in mixers.items():

            def keep(module: nn.Module, arguments: tuple[Any, ...], layer: int = layer) -> None:
                seen[layer] = arguments[0].clone()

            hooks.callback(mixer.register_forward_pre_hook(keep).remove)
        model.run(inputs)
    return seen
