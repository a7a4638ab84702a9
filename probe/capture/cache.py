"""Activations of a model by the names of the TransformerLens ecosystem, in a cache that is a mapping."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor

from probe.capture.hooks import Place, StreamModel, observe
from probe.errors import ProbeError, suggest

Names = str | Sequence[str] | Callable[[str], bool] | None


class Cache(Mapping[str, Tensor]):
    """Activations by name, in the order in which they were computed.

    ``cache["resid_post", 3]`` is short for ``cache["blocks.3.hook_resid_post"]``. The tensors are copies, which keep no
    larger tensor alive.
    """

    def __init__(self, activations: Mapping[str, Tensor], blocks: int) -> None:
        self._activations = dict(activations)
        self._blocks = blocks

    def __getitem__(self, name: str | tuple[str, int]) -> Tensor:
        if isinstance(name, str):
            return self._activations[name if name in self._activations else f"hook_{name}"]
        short, block = name
        # blocks may be counted from the last
        return self._activations[f"blocks.{block + self._blocks if block < 0 else block}.hook_{short}"]

    def __iter__(self) -> Iterator[str]:
        return iter(self._activations)

    def __len__(self) -> int:
        return len(self._activations)

    def __repr__(self) -> str:
        return f"Cache({', '.join(self)})"


def hook_points_of(model: StreamModel) -> dict[str, Place]:
    """Returns the places of a model's activations by their names.

    In every model ``blocks.{i}.hook_resid_pre`` is the stream that enters block i and ``blocks.{i}.hook_resid_post``
    the stream that leaves it. A model with more names lists all of them in its attribute ``hook_points``.
    """
    own = getattr(model, "hook_points", None)
    if own is not None:
        return dict(own)
    found: dict[str, Place] = {}
    for i, (entering, leaving) in enumerate(pairwise(model.places)):
        found |= {f"blocks.{i}.hook_resid_pre": entering, f"blocks.{i}.hook_resid_post": leaving}
    return found


def chosen(names: Names, known: Sequence[str]) -> list[str]:
    """Returns the names that a filter selects: one, several, those for which a function is true, or all.

    Raises:
        ProbeError: if there is no such name.
    """
    if names is None:
        return list(known)
    if callable(names):
        return [name for name in known if names(name)]
    asked = [names] if isinstance(names, str) else list(names)
    for name in asked:
        if name not in known:
            raise ProbeError(
                f"The model has no activation {name!r}. {suggest(name, list(known))}Names: {', '.join(known)}."
            )
    return [name for name in known if name in asked]


def block_at(stop: int, blocks: int) -> int:
    """Returns the layer to stop at, counted from the last where it is negative.

    Raises:
        ProbeError: if there is no such layer.
    """
    layer = stop + blocks if stop < 0 else stop
    if not 0 <= layer <= blocks:
        raise ProbeError(f"stop_at_layer={stop} was given, but the model has {blocks} blocks. Give 0 to {blocks}.")
    return layer


class Stopped(Exception):  # noqa: N818 - it is no error
    """Ends a pass at the layer that ``stop_at_layer`` names, and carries the stream of that layer."""

    def __init__(self, stream: Tensor) -> None:
        super().__init__()
        self.stream = stream


def run_with_cache(
    model: StreamModel,
    inputs: Float[Tensor, "batch time dim"] | Int[Tensor, "batch time"],
    names_filter: Names = None,
    *,
    stop_at_layer: int | None = None,
    pos_slice: int | slice | None = None,
    device: torch.device | str | None = None,
) -> tuple[Tensor, Cache]:
    """Runs a model and returns its predictions, and copies of the activations that the filter selects.

    Args:
        names_filter: a name, several, or a function of a name; None keeps every activation.
        stop_at_layer: the number of blocks that run; the stream there is returned instead of the predictions.
        pos_slice: the tokens that are kept; an int drops their axis.
        device: where the copies are kept; by default where they are computed.

    Raises:
        ProbeError: if there is no such name or layer.
    """
    blocks = len(model.places) - 1
    points = hook_points_of(model)
    names = chosen(names_filter, list(points))
    watched = [points[name] for name in names]
    if stop_at_layer is not None:
        watched.append(model.places[block_at(stop_at_layer, blocks)])
    kept: dict[str, Tensor] = {}

    def keep(place: int, seen: Tensor) -> None:
        if place == len(names):
            raise Stopped(seen)
        part = seen.detach() if pos_slice is None else seen.detach()[:, pos_slice]
        kept[names[place]] = part.to(device, copy=True)

    try:
        with observe(watched, keep):
            output = model.run(inputs)
    except Stopped as stopped:
        output = stopped.stream
    return output, Cache(kept, blocks)
