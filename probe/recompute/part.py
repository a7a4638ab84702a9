"""A model as its file describes it: parts, each with its stored tensors and the equations that they belong to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from probe.recompute.weights import Weights

Compute = Callable[[Weights, Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Part:
    """A read-in, a block or a read-out.

    Args:
        kind: in words; parts of one kind have the same equations.
        weights: the tensors stored for it, by their names within it.
        compute: what leaves it, from its weights and from what enters: in double precision, or symbols.
        harmless: a pattern of the names that files keep and no equation needs.
    """

    kind: str
    weights: Mapping[str, Tensor]
    compute: Compute
    harmless: str = r"(?!)"


@dataclass(frozen=True, eq=False)
class Described:
    """A model's parts in order.

    Args:
        blocks: as many as the model is seen to have, so that block i takes layer i to layer i + 1.
        final: the final norm alone, by the weights of the read-out.
    """

    read_in: Part
    blocks: tuple[Part, ...]
    read_out: Part
    final: Compute


def below(weights: Mapping[str, Tensor], *prefixes: str) -> dict[str, Tensor]:
    """Returns the tensors whose names begin so, by what follows the first prefix that fits."""
    found = {}
    for name, tensor in weights.items():
        prefix = next((prefix for prefix in prefixes if name.startswith(prefix)), None)
        if prefix is not None:
            found[name.removeprefix(prefix)] = tensor
    return found


def beginning(weights: Mapping[str, Tensor], *prefixes: str) -> dict[str, Tensor]:
    """Returns the tensors whose names begin so, by their whole names."""
    return {name: tensor for name, tensor in weights.items() if name.startswith(prefixes)}


def count(weights: Mapping[str, Tensor], blocks: str) -> int:
    """Returns how many blocks are stored below a name: one more than the largest number that stands behind it."""
    numbers = [name.removeprefix(f"{blocks}.").partition(".")[0] for name in beginning(weights, f"{blocks}.")]
    return max((int(number) + 1 for number in numbers if number.isdecimal()), default=0)
