"""Steering: vectors added to the stream at one place and some tokens while the model runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from jaxtyping import Float, Int
from torch import Tensor

from probe.capture.hooks import Place
from probe.interventions.rewrite import rewriting


@contextmanager
def steering(
    place: Place, positions: Int[Tensor, " position"], vectors: Float[Tensor, "#batch #position width"]
) -> Iterator[None]:
    """Adds vectors to the stream at one place and these tokens in the body's one forward pass; no hook outlives it.

    Raises:
        AssertionError: if the place saw no call, or more than one, or the stream read back is not the one written.
    """

    def moved(stream: Tensor) -> Tensor:
        stream[:, positions] += vectors.to(stream)
        return stream

    with rewriting(place, moved):
        yield
