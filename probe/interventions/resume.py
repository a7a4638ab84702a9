"""Passes that go on from a known stream: blocks before an intervention compute what they computed without it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from probe.capture.hooks import StreamModel
from probe.capture.native import NativeModel


@contextmanager
def resuming(model: StreamModel, layer: int, stream: Float[Tensor, "batch time width"]) -> Iterator[None]:
    """Leaves out, in the body's forward passes, the blocks up to a layer; the given stream leaves the last of them.

    Hooks on them still run, on whatever they are handed. A model that is not of probe's own runs whole, since its
    blocks may hand on more than the stream: what it predicts is the same.

    Args:
        layer: the number of blocks that are left out.
        stream: what the model holds there on the body's inputs, as `probe.capture.capture` copies it at every token.
    """
    with ExitStack() as left_out:
        if isinstance(model, NativeModel):
            for block in model.model.blocks[:layer]:
                left_out.enter_context(_returning(block, stream))
        yield


@contextmanager
def _returning(block: nn.Module, stream: Tensor) -> Iterator[None]:
    """Makes a block return a stream, whatever it is called with."""

    def forward(*arguments: Any) -> Tensor:
        return stream

    assert "forward" not in vars(block), "blocks are left out already"
    block.forward = forward
    try:
        yield
    finally:
        del block.forward
