"""The stream at one place rewritten while the model runs: what patching and steering have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from probe.capture.hooks import Place


@contextmanager
def rewriting(place: Place, change: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Puts ``change(stream)`` in the stream's place in the body's one forward pass; its hook never outlives it.

    Args:
        change: is given a copy ``[batch, time, width]``, which it may write to, and returns the new stream.

    Raises:
        AssertionError: if the place saw no call, or more than one, or the stream read back is not the one written.
    """
    calls = 0

    def changed(raw: Any) -> Any:
        nonlocal calls
        calls += 1
        # a copy: the model's own tensor may be another place's, or one that autograd keeps
        stream = change(place.read(raw).clone())
        written = place.write(raw, stream)
        assert torch.equal(place.read(written), stream), f"{place.name} does not read back what was written to it"
        return written

    def on_input(module: nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        if arguments:
            return (changed(arguments[0]), *arguments[1:]), keywords
        first = next(iter(keywords))
        return arguments, keywords | {first: changed(keywords[first])}

    def on_output(module: nn.Module, arguments: tuple[Any, ...], output: Any) -> Any:
        return changed(output)

    handle = (
        place.module.register_forward_pre_hook(on_input, with_kwargs=True)
        if place.side == "input"
        else place.module.register_forward_hook(on_output)
    )
    try:
        yield
    finally:
        handle.remove()
    assert calls == 1, f"the stream passed {place.name} {calls} times in one forward pass, not once"
