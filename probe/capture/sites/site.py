"""The base class of sites: where numbers stand that heads may read, beside the residual stream."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from probe.capture.cache import Stopped
from probe.capture.hooks import Place, StreamModel, observe
from probe.errors import ProbeError


@dataclass(frozen=True, order=True)
class Cell:
    """One of the places that a site has in a model.

    Attributes:
        layer: the number of the block, from 1; what stands in block i belongs to layer i, the stream that leaves it.
        part: the attention head, from 0, where a block has several; -1 where it has one such place.
    """

    layer: int
    part: int = -1

    @property
    def name(self) -> str:
        """The cell in words, without its layer; nothing where a block has one."""
        return "" if self.part < 0 else f"head {self.part}"


Keep = Callable[[Cell, int, Tensor], None]
"""Takes the numbers ``[batch, numbers]`` of a cell at one of the tokens asked for, by its place among them."""


class Site:
    """A kind of place inside a model, to be subclassed."""

    def read(
        self,
        model: StreamModel,
        inputs: Float[Tensor, "batch time dim"] | Int[Tensor, "batch time"],
        tokens: Sequence[int],
        keep: Keep,
    ) -> Float[Tensor, "batch token outputs"]:
        """Runs the model, hands over what stands at the tokens, and returns the predictions there.

        Args:
            tokens: places in the sequence, ascending, each once.
            keep: called once for every cell and token, as soon as its numbers are there; they are not kept otherwise.

        Raises:
            ProbeError: if the model has no such place.
        """
        raise NotImplementedError


def answered(
    model: StreamModel, inputs: Float[Tensor, "batch time dim"] | Int[Tensor, "batch time"], tokens: Sequence[int]
) -> Float[Tensor, "batch token outputs"]:
    """Runs the blocks, and returns the predictions at the tokens alone: of no other token logits are computed."""
    wanted = torch.tensor(list(tokens), device=inputs.device)

    def stop(place: int, stream: Tensor) -> None:
        raise Stopped(stream.index_select(1, wanted.to(stream.device)))

    try:
        with observe([model.places[-1]], stop):
            model.run(inputs)
    except Stopped as stopped:
        return model.decode(stopped.stream)
    raise AssertionError("the stream did not pass the last place")


def watched(
    model: StreamModel,
    inputs: Float[Tensor, "batch time dim"] | Int[Tensor, "batch time"],
    tokens: Sequence[int],
    places: Sequence[Place],
    see: Callable[[int, Tensor], None],
) -> Float[Tensor, "batch token outputs"]:
    """Runs the blocks, calls ``see(number, tensor)`` at every place, and returns the predictions at the tokens.

    Raises:
        ProbeError: if a place is not passed, or more than once, in one pass.
    """
    calls = [0] * len(places)

    def count(place: int, seen: Tensor) -> None:
        calls[place] += 1
        see(place, seen)

    output = torch.empty(0)
    try:
        with observe(places, count):
            output = answered(model, inputs, tokens)
    except AssertionError as error:
        odd = [place.name for place, times in zip(places, calls, strict=True) if times != 1]
        if not odd:
            raise
        raise ProbeError(
            f"{odd[0]} was to be read, but in a forward pass of the model it is not called once as a module. Name a "
            "module that is, by --site module:PATH."
        ) from error
    return output


def places_of(model: StreamModel) -> list[tuple[int, torch.nn.Module]]:
    """Returns the module whose output is the stream at each layer but the first, with the layer."""
    return [(layer, place.module) for layer, place in enumerate(model.places) if layer and place.side == "output"]


def kinds(model: StreamModel) -> str:
    """Returns what the model's blocks are, for sentences."""
    letters = getattr(getattr(model, "description", None), "letters", ())
    inner = [getattr(module, "mixer", module) for _, module in places_of(model)]
    names = sorted({type(module).__name__ for module in inner})
    return f"{', '.join(names)}" + (f" ({', '.join(sorted(set(letters)))})" if letters else "")
