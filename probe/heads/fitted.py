"""Fitted linear heads: small, frozen, callable and savable; they say what they were fitted on."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from probe.errors import ProbeError
from probe.heads.saved import Entry, write_heads


@dataclass(frozen=True)
class Origin:
    """What heads were fitted on; what is not known is empty.

    Attributes:
        model: the checkpoint's name.
        digest: of the checkpoint's tensors.
        task: with its options.
        target: what the heads predict: y, or a drawn parameter such as w.
        head: the kind of head, which says what is to be given to `LinearHeads.predict`: the stream for ``linear``,
            the stream after the final norm for ``normed``.
        layers: of the heads, 0 for the read-in.
        contexts: numbers of examples before the queries.
    """

    model: str = ""
    digest: str = ""
    task: str = ""
    target: str = ""
    head: str = ""
    layers: tuple[int, ...] = ()
    contexts: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class LinearHeads:
    """Linear maps from the stream to the targets, one for each layer and context: ``stream @ weight + intercept``.

    Args:
        penalty: of each layer and context, in the unit of the path it was chosen from.
        origin: what the heads were fitted on.
    """

    weight: Float64[Tensor, "layer context width target"]
    intercept: Float64[Tensor, "layer context target"]
    penalty: Float64[Tensor, "layer context"]
    origin: Origin = Origin()

    def __call__(
        self, stream: Float[Tensor, "layer batch context width"]
    ) -> Float64[Tensor, "layer batch context target"]:
        """Predicts the targets, in float64."""
        cells = zip(stream, self.weight, self.intercept, strict=True)
        return torch.stack([affine(rows, weight, shift).transpose(0, 1) for rows, weight, shift in cells])

    def predict(self, stream: Tensor) -> Float64[Tensor, "layer batch context target"]:
        """Predicts the targets from a stream ``[layer, batch, context, width]`` on any device, in float64.

        Raises:
            ProbeError: if the stream has other layers, contexts or another width than the heads.
        """
        layers, contexts, width, _ = self.weight.shape
        if stream.ndim != 4 or (len(stream), *stream.shape[2:]) != (layers, contexts, width):
            raise ProbeError(
                f"A stream of shape {tuple(stream.shape)} was given, but {self} need [layer, batch, context, width] "
                f"= [{layers}, any, {contexts}, {width}]. Capture the stream at these layers and contexts."
            )
        return self.to(stream.device)(stream)

    @property
    def directions(self) -> Float64[Tensor, "layer context width target"]:
        """The heads' weights: what is added to a target where the stream grows by one along a coordinate."""
        return self.weight

    def __str__(self) -> str:
        """Says what the heads predict from what."""
        origin = self.origin
        of = f"the {origin.head or 'linear'} heads" + (f" for {origin.target}" if origin.target else "")
        of += f" on {origin.model}" if origin.model else ""
        if not origin.layers:
            return of
        contexts = ", ".join(map(str, origin.contexts))
        return f"{of}, layers {origin.layers[0]} to {origin.layers[-1]} after {contexts} examples,"

    def __repr__(self) -> str:
        """Says where the heads come from and how large they are."""
        shape = dict(zip(("layer", "context", "width", "target"), self.weight.shape, strict=True))
        told = {name: value for name, value in asdict(self.origin).items() if isinstance(value, str) and value}
        told.pop("digest", None)
        named = ", ".join(f"{name}={value!r}" for name, value in told.items())
        return f"LinearHeads({named}{', ' if named else ''}shape={shape})"

    def to(self, device: torch.device | str) -> LinearHeads:
        """Returns the heads on another device."""
        return LinearHeads(self.weight.to(device), self.intercept.to(device), self.penalty.to(device), self.origin)

    def fitted_on(self, origin: Origin) -> LinearHeads:
        """Returns the same heads, which say what they were fitted on."""
        return replace(self, origin=origin)

    def save(self, stem: str | Path) -> tuple[Path, Path]:
        """Writes STEM.safetensors and STEM.json, both or neither, and returns their paths; `load` reads them.

        Raises:
            ProbeError: if they cannot be written.
        """
        return write_heads([self.entry(())], stem)

    @classmethod
    def load(cls, stem: str | Path) -> LinearHeads:
        """Reads what `save` wrote.

        Raises:
            ProbeError: for a missing, damaged or foreign file, or one that holds several heads.
        """
        from probe.heads.by_name import load

        found = load(stem)
        if not isinstance(found, cls):
            raise ProbeError(f"{stem} holds several heads ({', '.join(found)}). Read them by probe.heads.load.")
        return found

    def entry(self, path: tuple[str, ...]) -> Entry:
        """Returns the heads as files hold them, under the names that lead to them."""
        named = {"weight": self.weight, "intercept": self.intercept, "penalty": self.penalty}
        # heads under two names may share their tensors, which a file must not
        tensors = {name: one.cpu().clone(memory_format=torch.contiguous_format) for name, one in named.items()}
        return Entry(path, tensors, asdict(self.origin))


def heads_of(entry: Entry) -> LinearHeads:
    """Returns the heads that files hold; an origin is cleaned of what it should not hold."""
    return LinearHeads(**entry.tensors, origin=_origin(entry.origin))


def _origin(told: dict[str, Any]) -> Origin:
    known: dict[str, Any] = {name: str(told.get(name) or "") for name in ("model", "digest", "task", "target", "head")}
    for name in ("layers", "contexts"):
        numbers = told.get(name)
        known[name] = tuple(one for one in numbers if isinstance(one, int)) if isinstance(numbers, list) else ()
    return Origin(**known)


def affine(
    rows: Float[Tensor, "batch context width"],
    weight: Float64[Tensor, "context width some"],
    shift: Float64[Tensor, "context some"],
) -> Float64[Tensor, "context batch some"]:
    """Returns ``rows @ weight + shift`` context by context, in float64."""
    return torch.baddbmm(shift[:, None], rows.transpose(0, 1).to(weight), weight)
