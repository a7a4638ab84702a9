"""The order of blocks edited while the model runs: some skipped, repeated or exchanged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import nn

from probe.capture.hooks import Place, StreamModel
from probe.errors import ProbeError

Edit = Mapping[int, Sequence[int]]
"""By the block whose turn it is, numbered as the layer it leads to, the blocks that run instead, one after another."""


def skip(block: int) -> Edit:
    """Returns the edit that leaves a block out."""
    return {block: ()}


def repeat(block: int) -> Edit:
    """Returns the edit that runs a block twice in a row."""
    return {block: (block, block)}


def swap(block: int) -> Edit:
    """Returns the edit that exchanges a block with the next one."""
    return {block: (block + 1,), block + 1: (block,)}


@contextmanager
def editing(model: StreamModel, edit: Edit) -> Iterator[None]:
    """Runs other blocks in the turn of some in the body's one forward pass; its hooks never outlive it.

    What runs in a block's turn gets the stream of that turn and whatever else the block is called with, such as masks.

    Raises:
        ProbeError: if a block that the edit names does not exist or is no module that turns one stream into the next.
        AssertionError: if a block had no turn, or more than one.
    """
    named = sorted({*edit, *(block for chain in edit.values() for block in chain)})
    places = {block: _block(model.places, block) for block in named}
    calls = dict.fromkeys(edit, 0)
    with ExitStack() as hooks:
        for block, chain in edit.items():
            turn = _Turn(places[block], [places[other] for other in chain], calls, block)
            handle = places[block].module.register_forward_hook(turn, with_kwargs=True)
            hooks.callback(handle.remove)
        yield
    for block, count in calls.items():
        assert count == 1, f"block {block} had {count} turns in one forward pass, not one"


class _Turn:
    """A forward hook: discards what a block returned and returns what a chain of blocks makes of what it was given.

    ``forward`` is called rather than the module itself, so that no hook runs twice.
    """

    def __init__(self, place: Place, chain: list[Place], calls: dict[int, int], block: int) -> None:
        self.place, self.chain, self.calls, self.block = place, chain, calls, block

    def __call__(self, module: nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any], output: Any) -> Any:
        self.calls[self.block] += 1
        first = next(iter(keywords)) if not arguments else None
        raw = arguments[0] if first is None else keywords[first]
        stream = self.place.read(raw)
        for other in self.chain:
            given = other.write(raw, stream)
            returned = (
                other.module.forward(given, *arguments[1:], **keywords)
                if first is None
                else other.module.forward(**(keywords | {first: given}))
            )
            stream = other.read(returned)
        return self.place.write(output, stream)


def _block(places: Sequence[Place], block: int) -> Place:
    """Returns the place where a block's stream leaves it."""
    if not 1 <= block < len(places):
        raise ProbeError(f"There is no block {block}: the model has blocks 1 to {len(places) - 1}. Choose among them.")
    place = places[block]
    uses = sum(other.module is place.module for other in places if other.side == "output")
    if place.side != "output" or place.entrance is not None or uses > 1:
        raise ProbeError(
            f"The stream at {place.name} was given, but only a module of its own that takes a stream and returns the "
            "next can be skipped or moved. Leave this block as it is."
        )
    return place
