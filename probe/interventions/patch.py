"""Activation patching: the stream at one place and some tokens replaced by given vectors while the model runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from probe.capture.hooks import Place


@contextmanager
def patching(
    place: Place, positions: Int[Tensor, " position"], vectors: Float[Tensor, "batch position width"]
) -> Iterator[None]:
    """Replaces the stream at one place and these tokens in the body's one forward pass; its hook never outlives it.

    Blocks that come after see the given vectors, for attention and recurrent states alike; what a block before made of
    the token stays as it was.

    Raises:
        AssertionError: if the place saw no call, or more than one, or the stream read back is not the one written.
    """
    calls = 0

    def replaced(raw: Any) -> Any:
        nonlocal calls
        calls += 1
        # a copy: the model's own tensor may be another place's, or one that autograd keeps
        stream = place.read(raw).clone()
        stream[:, positions] = vectors.to(stream)
        written = place.write(raw, stream)
        assert torch.equal(place.read(written), stream), f"{place.name} does not read back what was written to it"
        return written

    def on_input(module: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        return (replaced(arguments[0]), *arguments[1:])

    def on_output(module: nn.Module, arguments: tuple[Any, ...], output: Any) -> Any:
        return replaced(output)

    handle = (
        place.module.register_forward_pre_hook(on_input)
        if place.side == "input"
        else place.module.register_forward_hook(on_output)
    )
    try:
        yield
    finally:
        handle.remove()
    assert calls == 1, f"the stream passed {place.name} {calls} times in one forward pass, not once"
