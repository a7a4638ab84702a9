"""Streams that were kept: those of probe capture, and captures of other tools."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from probe.data.data import Data, as_task
from probe.data.fields import TARGET, Array, as_array, known
from probe.data.files import PICKLES, mapped, pickled
from probe.data.sources import Arrays, Beside, Changed, Source, Tensors
from probe.data.task import DataTask
from probe.errors import ProbeError
from probe.fields import UnfitError
from probe.files.parsed import BYTES, read_json
from probe.registries import ObjectText
from probe.tasks import Counts

INDEX = "index.json"
"""What a folder of probe capture says of itself."""
KIND = "probe streams"
"""What its index says that it is."""
LAYER = "layer "
"""What the fields of layers begin with that lie apart."""
BEFORE, AFTER = re.compile(r"blocks\.0\.hook_resid_pre"), re.compile(r"blocks\.(\d+)\.hook_resid_post")
"""What TransformerLens calls the stream before the first block, and after every one."""


@dataclass(frozen=True, eq=False)
class Streams:
    """The stream of every prompt at some tokens, layer by layer, as it was kept.

    Attributes:
        source: rows with the field ``streams``, ``[prompt, layer, place, width]``, and what else was kept.
        layers: how many there are, the read-in included.
        places: how many tokens of a prompt were kept.
        width: of the stream.
        about: what the index of a capture says; empty for those of other tools.
    """

    name: str
    source: Source
    layers: int
    places: int
    width: int
    about: Mapping[str, Any]

    @property
    def labels(self) -> tuple[int, ...] | None:
        """The contexts that the places stand for, where they are known."""
        told = self.about.get("contexts")
        fits = isinstance(told, list) and len(told) == self.places and all(isinstance(one, int) for one in told)
        return tuple(told) if fits and told else None

    @property
    def counts(self) -> Counts:
        """What these contexts are: what their task counts, and without a task the places of tokens."""
        told = self.about.get("counts")
        return told if told in ("examples", "tokens") and self.labels is not None else "places"

    def task(self, target: str | None, seed: int, data: Data | None = None) -> DataTask:
        """Returns what was kept as a task, whose tokens are the streams of all layers side by side.

        Args:
            data: a target and what else belongs to the prompts, row by row, where that was not kept.

        Raises:
            ProbeError: if the data cannot be right, or have other rows.
        """
        if data is not None and data.positions is not None:
            raise ProbeError(
                "The data beside streams have positions, but the tokens are those that were kept. Ask for some of them "
                "by --context."
            )
        source = self.source if data is None else Beside(self.source, data.source)
        made = as_task(Changed(source, _as_inputs), self.name, None, target, seed)
        places = tuple(range(self.places))
        return type(made)(
            name=made.name,
            target=made.target,
            source=made.source,
            survey=made.survey,
            places=places,
            labels=self.labels,
            counted=self.counts,
        )


def _as_inputs(part: dict[str, Array]) -> dict[str, Array]:
    if "inputs" in part:
        raise ProbeError(
            "The data beside streams have inputs, but no model runs. Give targets and what belongs to them."
        )
    if part["streams"].dtype.kind not in "fiu":
        raise ProbeError(
            f"Streams were given as {part['streams'].dtype}, but real numbers are needed. Convert them, or keep them "
            "anew."
        )
    found = part["streams"].astype(np.float32).swapaxes(1, 2)
    rest = {name: one for name, one in part.items() if name != "streams"}
    return rest | {"inputs": found.reshape(*found.shape[:2], -1)}


def streams_at_hand(value: object) -> ObjectText:
    """Returns streams that are given as an object: `Streams`, an array, or a cache of arrays by name.

    Raises:
        UnfitError: if they are none of these.
    """
    if isinstance(value, Streams):
        return ObjectText(value.name, value)
    if isinstance(value, Mapping) or hasattr(value, "cache_dict"):
        return ObjectText("streams", of_cache(value))
    if hasattr(value, "shape"):
        return ObjectText("streams", _of_arrays({"streams": as_array(value, "streams")}, "streams"))
    raise UnfitError("a folder or file, an array [prompt, layer, time, width], or a cache of arrays by name")


def of_cache(cache: Any) -> Streams:
    """Returns the streams of a cache: TransformerLens's, probe's own, or a dictionary as one saves with nnsight.

    Of names that TransformerLens gives the stream's are taken; otherwise every entry is a layer, in the order given.
    """
    found = cache.cache_dict if hasattr(cache, "cache_dict") else cache
    return _of_arrays({str(name): as_array(found[name], str(name)) for name in found}, "streams", ordered=True)


def open_streams(path: str | Path) -> Streams:
    """Returns the streams of a folder or file.

    Raises:
        ProbeError: if there are none, or they cannot be read.
    """
    place = Path(path)
    if not place.exists():
        raise ProbeError(f"There are no streams at {path}, but --streams names a file or folder. Correct the path.")
    if place.suffix.lower() in PICKLES:
        raise pickled(place)
    if (place / INDEX).is_file():
        return _of_capture(place)
    if place.is_dir():
        tensors = sorted(place.glob("*.safetensors"))
        if tensors:
            return _of_tensors(tensors, place.name)
        arrays = {one.stem: mapped(one) for one in place.glob("*.npy")}
        if arrays:
            return _of_arrays(arrays, place.name)
    elif place.suffix == ".npy":
        return _of_arrays({"streams": mapped(place)}, place.stem)
    elif place.suffix == ".safetensors":
        return _of_tensors([place], place.stem)
    raise ProbeError(
        f"{path} holds no streams, but a folder of probe capture, .npy or .safetensors is needed, with arrays [prompt, "
        "layer, time, width] or one a layer. Write them so."
    )


def _of_capture(folder: Path) -> Streams:
    told = read_json(folder / INDEX, BYTES["index"])
    shards = told.get("shards") if isinstance(told, dict) and told.get("kind") == KIND else None
    if not isinstance(shards, list) or not all(isinstance(one, str) and Path(one).name == one for one in shards):
        raise ProbeError(f"{folder / INDEX} is no index of probe capture. Capture the streams anew.")
    if len(set(shards)) < len(shards):
        raise ProbeError(f"{folder / INDEX} names a file of streams twice, but each has rows of its own. Capture anew.")
    missing = [one for one in shards if not (folder / one).is_file()]
    if missing or not shards:
        raise ProbeError(f"The folder {folder} lacks {', '.join(missing[:1]) or 'its streams'}. Capture them anew.")
    found = _of_tensors([folder / one for one in shards], str(told.get("name") or folder.name))
    return Streams(found.name, found.source, found.layers, found.places, found.width, told)


def _of_tensors(files: Sequence[Path], name: str) -> Streams:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(files[0], framework="np") as opened:
            shapes = {one: tuple(opened.get_slice(one).get_shape()) for one in opened.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ProbeError(f"{files[0]} cannot be read as safetensors ({error}). Write the file anew.") from error
    layers, rest = _sorted(shapes, name, ordered=False)
    renamed = {one: f"{LAYER}{place}" for place, one in enumerate(layers)}
    return _made(Tensors(files, renamed | {one: known(one) for one in rest}), [shapes[one] for one in layers], name)


def _of_arrays(arrays: dict[str, Array], name: str, ordered: bool = False) -> Streams:
    layers, rest = _sorted({one: found.shape for one, found in arrays.items()}, name, ordered)
    fields = {f"{LAYER}{place}": arrays[one] for place, one in enumerate(layers)}
    fields |= {known(one): arrays[one] for one in rest}
    return _made(Arrays(fields, name), [arrays[one].shape for one in layers], name)


def _sorted(shapes: Mapping[str, tuple[int, ...]], name: str, ordered: bool) -> tuple[list[str], list[str]]:
    """Returns the arrays that are layers, from the first to the last, and those that are fields of data."""
    rest = [one for one in shapes if one in ("weights", "mask", "groups", "split", "targets") or one.startswith(TARGET)]
    found = [one for one in shapes if one not in rest]
    before = [one for one in found if BEFORE.fullmatch(one)]
    after = [one for one in found if AFTER.fullmatch(one)]
    if "streams" in found:
        found = ["streams"]
    elif after:
        found = before + sorted(after, key=_natural)
    elif not ordered:
        found = sorted(found, key=_natural)
    if not found:
        raise ProbeError(f"{name} holds no streams, but arrays of at least one layer are needed. Add them.")
    return found, rest


def _natural(name: str) -> list[tuple[int, str]]:
    """Returns a key by which layer 2 stands before layer 10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name) if part]


def _made(source: Source, shapes: Sequence[tuple[int, ...]], name: str) -> Streams:
    """Returns streams whose layers are stacked, once their shapes agree."""
    together = len(shapes) == 1 and len(shapes[0]) == 4
    if not together and (any(len(one) != 3 for one in shapes) or len({one[1:] for one in shapes}) > 1):
        told = ", ".join(dict.fromkeys(str(tuple(one)) for one in shapes))
        raise ProbeError(
            f"{name} holds arrays of shape {told}, but streams are [prompt, layer, time, width], or for each layer "
            "[prompt, time, width]. Keep the axis of prompts, and leave out other activations."
        )
    if 0 in shapes[0][1:]:
        raise ProbeError(
            f"{name} holds arrays of shape {tuple(shapes[0])}, but streams need a layer, a token and a width of at "
            "least 1. Keep them anew."
        )
    layers = shapes[0][1] if together else len(shapes)
    places, width = shapes[0][-2:]

    def stacked(part: dict[str, Array]) -> dict[str, Array]:
        own = [part[f"{LAYER}{layer}"] for layer in range(len(shapes))]
        rest = {field: one for field, one in part.items() if not field.startswith(LAYER)}
        return rest | {"streams": own[0] if together else np.stack(own, axis=1)}

    return Streams(name, Changed(source, stacked), layers, places, width, {})
