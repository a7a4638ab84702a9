"""What stands around a mixer: the norm, the residual and, at the end, the read-out."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from probe.recompute.norms import Norm
from probe.recompute.part import Compute
from probe.recompute.weights import ImpossibleError, Weights, linear

Write = Callable[[Weights, Tensor], Tensor]


def around(norm: Norm, residual: str, write: Write, names: tuple[str, str] = ("norm", "mixer.")) -> Compute:
    """Returns a block's equations from its mixer's.

    Args:
        residual: ``pre`` adds what the mixer makes of the normed stream, ``post`` norms the sum of the stream and what
            the mixer makes of it, ``none`` norms what it makes.
        names: of the norm, and what stands before those of the mixer.
    """
    before, mixer = names

    def compute(weights: Weights, stream: Tensor) -> Tensor:
        if residual == "pre":
            return stream + write(weights.under(mixer), norm(weights, before, stream))
        written = write(weights.under(mixer), stream)
        return norm(weights, before, stream + written if residual == "post" else written)

    return compute


def reading_out(norm: Norm, normed: str, head: str) -> Compute:
    """Returns a read-out's equations: the final norm, then a linear map."""
    return lambda weights, stream: linear(weights, head, norm(weights, normed, stream))


def impossible(what: str) -> Compute:
    """Returns equations that are not written here."""

    def compute(weights: Weights, stream: Tensor) -> Tensor:
        raise ImpossibleError(what)

    return compute
