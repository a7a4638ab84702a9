"""Activation patching: the stream at one place and some tokens replaced by given vectors while the model runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from jaxtyping import Float, Int
from torch import Tensor

from probe.capture.hooks import Place
from probe.interventions.rewrite import rewriting


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

    def replaced(stream: Tensor) -> Tensor:
        stream[:, positions] = vectors.to(stream)
        return stream

    with rewriting(place, replaced):
        yield
