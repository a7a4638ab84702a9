"""Passes that go on from a known stream: blocks before an intervention compute what they computed without it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

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
                left_out.enter_context(running(block, lambda *arguments: stream))
        yield


@contextmanager
def running(module: nn.Module, forward: Callable[..., Tensor]) -> Iterator[None]:
    """Makes a module run a function in place of its forward pass; its hooks still run."""
    assert "forward" not in vars(module), "the module's forward pass is exchanged already"
    module.forward = forward
    try:
        yield
    finally:
        del module.forward
