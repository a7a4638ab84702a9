"""The capture engine: forward hooks that copy the residual stream at chosen tokens while the model runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from probe.capture.asked import check_sequences, check_tokens

NOTHING: Mapping[str, Any] = MappingProxyType({})


def put_first(raw: Any, stream: Tensor) -> Any:
    """Returns a module's input or output with its tensor, or the first of its tuple, replaced by another stream."""
    return stream if isinstance(raw, Tensor) else (stream, *raw[1:])


def put_sum(raw: tuple[Tensor, Tensor], stream: Tensor) -> tuple[Tensor, Tensor]:
    """Returns a pair (hidden, residual) whose sum is the stream, bit for bit, as blocks of mamba_ssm pass it on."""
    return torch.zeros_like(raw[0]), stream.to(raw[1].dtype)


@dataclass(frozen=True, eq=False)
class Place:
    """A place where the stream passes: a module's first input or its output, and how the stream is read from it.

    Args:
        read: turns what the module takes or returns into the stream ``[batch, time, width]``, e.g. by adding the
            two tensors that blocks of the mamba_ssm family return.
        entrance: the module that the stream enters on its way here, if it is not `module` itself.
        write: returns what the module takes or returns with another stream in it, which ``read`` then returns.
    """

    name: str
    module: nn.Module
    side: Literal["input", "output"]
    read: Callable[[Any], Tensor]
    entrance: nn.Module | None = None
    write: Callable[[Any, Tensor], Any] = put_first


@runtime_checkable
class StreamModel(Protocol):
    """The protocol of a model whose stream can be captured."""

    @property
    def places(self) -> Sequence[Place]:
        """The places where the stream passes, [blocks + 1]: layer 0, then the output of every block."""

    @property
    def width(self) -> int:
        """The stream's width."""

    def run(self, inputs: Tensor) -> Tensor:
        """Returns the model's predictions at every token, ``[batch, time, outputs]``."""

    def normalise(self, stream: Tensor) -> Tensor:
        """Returns the stream after the model's final norm, ``[..., width]``."""

    def decode(self, stream: Tensor) -> Tensor:
        """Returns the predictions of the final norm and the read-out, ``[..., width] -> [..., outputs]``."""


@dataclass(frozen=True, eq=False)
class Captured:
    """The stream at chosen tokens, layer by layer, and the model's own predictions there."""

    stream: Float[Tensor, "layer batch context width"]
    output: Float[Tensor, "batch context outputs"]


@torch.no_grad()
def capture(
    model: StreamModel,
    inputs: Float[Tensor, "batch time dim"] | Int[Tensor, "batch time"],
    positions: Int[Tensor, " context"] | Int[Tensor, "batch context"],
) -> Captured:
    """Runs the model and copies the stream at the given tokens, at the read-in and after every block.

    What is returned shares no memory with the model's own tensors: a block that adds in place changes nothing in
    it, and no larger tensor is kept alive.

    Args:
        positions: the tokens to keep, by their place in the sequence, of all prompts or of each.

    Raises:
        ProbeError: if the model does not read such sequences, or they have no such token.
        AssertionError: if a place saw no call, or more than one, during the pass.
    """
    check_sequences(model, inputs)
    check_tokens(positions, inputs.shape[1])
    shape = (len(model.places), len(inputs), positions.shape[-1], model.width)
    stream = torch.empty(0)

    def keep(layer: int, seen: Tensor) -> None:
        nonlocal stream
        if layer == 0:
            # symbols do not say of what type the stream is
            stream = seen.new_empty(shape)
        if positions.ndim == 1:
            torch.index_select(seen, 1, positions, out=stream[layer])
        else:
            stream[layer] = at_queries(seen, positions)

    with observe(model.places, keep):
        output = model.run(inputs)
    return Captured(stream, at_queries(output, positions))


def at_queries(
    seen: Float[Tensor, "batch time some"], positions: Int[Tensor, " context"] | Int[Tensor, "batch context"]
) -> Float[Tensor, "batch context some"]:
    """Returns what stands at some tokens, the same of all prompts or each prompt's own."""
    if positions.ndim == 1:
        return seen.index_select(1, positions)
    return seen.gather(1, positions[..., None].expand(-1, -1, seen.shape[-1]))


@contextmanager
def observe(places: Sequence[Place], callback: Callable[[int, Tensor], None]) -> Iterator[None]:
    """Calls ``callback(layer, stream)`` at every place while the body runs, and removes its hooks afterwards.

    The hooks are removed also where the body or the callback raises. What other threads pass through the same model
    meanwhile is not seen.

    Raises:
        AssertionError: if a place saw no call, or more than one, while the body ran.
    """
    calls = [0] * len(places)
    handles: list[RemovableHandle] = []
    try:
        for layer, place in enumerate(places):
            handles.append(_hook(place, layer, calls, callback))
        yield
    finally:
        for handle in handles:
            handle.remove()
    for place, count in zip(places, calls, strict=True):
        # a fused path that bypasses a module would otherwise leave its layer empty in silence
        assert count == 1, f"the stream passed {place.name} {count} times in one forward pass, not once"


def _hook(place: Place, layer: int, calls: list[int], callback: Callable[[int, Tensor], None]) -> RemovableHandle:
    own = threading.get_ident()

    def mine() -> bool:
        return threading.get_ident() == own

    def on_input(module: nn.Module, arguments: tuple[Any, ...], keywords: Mapping[str, Any] = NOTHING) -> None:
        # torch hands no keywords to a hook that another thread removes at the same moment
        if mine():
            calls[layer] += 1
            callback(layer, place.read(next(iter((*arguments, *keywords.values())))))

    def on_output(module: nn.Module, arguments: tuple[Any, ...], output: Any) -> None:
        if mine():
            calls[layer] += 1
            callback(layer, place.read(output))

    if place.side == "input":
        return place.module.register_forward_pre_hook(on_input, with_kwargs=True)
    return place.module.register_forward_hook(on_output)
