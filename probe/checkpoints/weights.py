"""Reads weights by name, for every reader: one file, or several with an index, of torch or of safetensors.

Nothing in a file is executed, and reading takes no more memory than the file's size. Prefixes that wrappers add to
names are removed: ``module.`` of parallel training, ``_orig_mod.`` of compiled modules, and any prefix that all names
share and that the model's own names do not have.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from probe.checkpoints.misses import miss_of_bytes
from probe.checkpoints.saved import is_plain, read_saved
from probe.errors import ProbeError
from probe.files.parsed import BYTES, read_json

NAMES = ("model.safetensors", "pytorch_model.bin")
"""The files of weights that a folder may hold, and, with ``.index.json`` behind them, the indices of several."""
LONE = ("*.safetensors", "*.ckpt", "*.pt", "*.pth", "*.bin")
"""What a folder's weights may else be called, where there is one such file alone."""
OTHERS = frozenset(
    {
        "training_args.bin", "optimizer.pt", "optimizer.bin", "scheduler.pt", "scheduler.bin", "scaler.pt",
        "rng_state.pth", "adapter_model.safetensors", "adapter_model.bin",
    }
)  # fmt: skip
"""What trainers leave beside weights under such endings, and what holds no whole model."""
INSIDE = ("state_dict", "model_state_dict", "model", "module")
"""Under which names a file may hold its weights beside other things."""
WRAPPED = re.compile(r"(?:(?<=\.)|^)(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
PARALLEL = "module."
AGAIN = "Copy the whole folder."


@dataclass(frozen=True, eq=False)
class Stored:
    """Weights as files hold them.

    Attributes:
        place: the file or folder that they come from, as sentences call it.
        tensors: the weights by name, on the CPU, of kinds that numbers have.
        beside: what else the file holds, such as the step it was saved at.
    """

    place: Path
    tensors: Mapping[str, Tensor]
    beside: Mapping[str, Any] = field(default_factory=dict)


def files_in(folder: Path) -> list[Path]:
    """Returns the files of a folder's weights, by their usual names or by its index.

    Raises:
        ProbeError: if there are none, or one of those that its index names is missing.
    """
    for name in NAMES:
        if (folder / name).is_file():
            return [folder / name]
        if (folder / f"{name}.index.json").is_file():
            return [folder / file for file in _indexed(folder / f"{name}.index.json")]
    found = [path for pattern in LONE for path in sorted(folder.glob(pattern))]
    lone = [path for path in found if path.is_file() and path.name not in OTHERS]
    if len(lone) == 1:
        return lone
    if len(lone) > 1:
        raise ProbeError(
            f"{folder} holds {len(lone)} files of weights ({lone[0].name}, {lone[1].name}) and neither {NAMES[0]} nor "
            "an index that says how they belong together. Name the one file to be read, or copy the index."
        )
    raise ProbeError(f"{folder} holds no weights: {' or '.join(NAMES)} was needed. {AGAIN}")


def read_stored(place: Path, instead: str = AGAIN) -> Stored:
    """Returns the weights of a file, or of a folder's files.

    Args:
        instead: what a user should do where they cannot be read, a sentence.

    Raises:
        ProbeError: if they are missing, damaged, would have to be executed, or are no weights by name.
    """
    if place.is_file():
        return stored_in(read_content(place, instead), place, instead)
    tensors: dict[str, Tensor] = {}
    beside: Mapping[str, Any] = {}
    files = files_in(place)
    for path in files:
        part = stored_in(read_content(path, instead), path, instead)
        twice = sorted(tensors.keys() & part.tensors.keys())
        if twice:
            raise ProbeError(f"{place} holds {twice[0]} in two of its files, but a weight has one place. {instead}")
        tensors |= part.tensors
        beside = part.beside
    index = place / f"{NAMES[0]}.index.json"
    for path in (index, place / f"{NAMES[1]}.index.json"):
        if len(files) > 1 and path.is_file() and (lost := sorted(_map(path).keys() - tensors.keys())):
            raise ProbeError(f"{path} names {lost[0]}, which none of the folder's files holds. {instead}")
        if path.is_file():
            break
    return Stored(place, tensors, beside)


def read_content(path: Path, instead: str) -> Any:
    """Returns the content of a file of torch or of safetensors.

    Raises:
        ProbeError: if it is missing, damaged, something else, or would have to be executed.
    """
    if not path.is_file():
        return read_saved(path, instead)
    with path.open("rb") as file:
        start = file.read(64)
    if not (len(start) > 9 and start[8:9] == b"{" and int.from_bytes(start[:8], "little") <= path.stat().st_size):
        if miss := miss_of_bytes(path, start):
            raise ProbeError(miss)
        return read_saved(path, instead)
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except Exception as error:  # what reads the files lets many kinds of error escape
        raise ProbeError(f"{path} is damaged or truncated: it is no file of safetensors. {instead}") from error


def stored_in(content: Any, place: Path, instead: str = AGAIN) -> Stored:
    """Returns the weights in a file's content, by names without the prefixes of wrappers.

    Raises:
        ProbeError: if there are none, several that differ, or some that are no plain numbers.
    """
    tensors, beside = _weights(content, place)
    if not tensors:
        raise ProbeError(f"{place} holds something other than weights by name. {instead}")
    for name, tensor in tensors.items():
        if isinstance(tensor, Tensor) and tensor.dtype in _QUANTISED:
            raise ProbeError(
                f"{place} holds quantised weights ({name} is {str(tensor.dtype).removeprefix('torch.')}), but the "
                "stream is read from full ones. Give the file from before it was quantised."
            )
        if not isinstance(name, str) or not is_plain(tensor):
            raise ProbeError(
                f"{place} holds something other than weights by name ({name}), but each had to be numbers of its own. "
                f"{instead}"
            )
    return Stored(place, _unwrapped(tensors, place), beside)


def holds_weights(content: Any) -> bool:
    """Returns whether a file's content has tensors by name in it."""
    return bool(_weights(content, Path(), check=False)[0])


def fitted(tensors: Mapping[str, Tensor], needed: Collection[str]) -> dict[str, Tensor]:
    """Returns weights without the prefix that all names share, if more of the model's names are then found."""
    shared = _shared(list(tensors))
    cuts = ["", *(".".join(shared[: i + 1]) + "." for i in range(len(shared)))]
    cut = max(cuts, key=lambda start: sum(name.removeprefix(start) in needed for name in tensors))
    return {name.removeprefix(cut): tensor for name, tensor in tensors.items()}


_QUANTISED = frozenset(
    kind for name in dir(torch) if name.startswith("float8_") and isinstance(kind := getattr(torch, name), torch.dtype)
)


def _weights(
    content: Any, place: Path, depth: int = 2, check: bool = True
) -> tuple[Mapping[Any, Any], Mapping[str, Any]]:
    """Returns the weights in a file's content, and its other entries.

    Args:
        check: whether to refuse two of them that differ.
    """
    if not isinstance(content, Mapping):
        return {}, {}
    found = [
        (name, *_weights(content[name], place, depth - 1, check))
        for name in INSIDE
        if depth and isinstance(content.get(name), Mapping)
    ]
    found = [each for each in found if each[1]]
    if found:
        name, tensors, inner = found[0]
        for other, others, _ in found[1:]:
            if check and not _same(tensors, others):
                raise ProbeError(
                    f"{place} holds weights by the names {name} and {other}, and they differ. Save those that are "
                    "meant alone, with torch.save."
                )
        return tensors, {**inner, **{key: value for key, value in content.items() if key != name}}
    if any(isinstance(value, Tensor) for value in content.values()):
        return content, {}
    return {}, {}


def _same(one: Mapping[Any, Any], other: Mapping[Any, Any]) -> bool:
    return one.keys() == other.keys() and all(
        isinstance(one[key], Tensor) and isinstance(other[key], Tensor) and torch.equal(one[key], other[key])
        for key in one
    )


def _unwrapped(tensors: Mapping[str, Tensor], place: Path) -> dict[str, Tensor]:
    named: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        short = WRAPPED.sub("", name)
        if short in named and not torch.equal(named[short], tensor):
            raise ProbeError(
                f"{place} holds two different tensors for {short}, one of a compiled module. Save those that are meant "
                "alone, with torch.save."
            )
        named[short] = tensor
    while named and all(name.startswith(PARALLEL) for name in named):
        named = {name.removeprefix(PARALLEL): tensor for name, tensor in named.items()}
    return named


def _shared(names: list[str]) -> list[str]:
    """Returns the parts before dots that all names begin with."""
    if not names:
        return []
    first, last = min(names).split("."), max(names).split(".")
    count = 0
    while count < min(len(first), len(last)) - 1 and first[count] == last[count]:
        count += 1
    return first[:count]


def _map(index: Path) -> dict[str, str]:
    try:
        found = read_json(index, BYTES["index"])["weight_map"]
        fits = bool(found) and all(isinstance(file, str) and Path(file).name == file for file in found.values())
    except (KeyError, TypeError, AttributeError, ProbeError) as error:
        raise ProbeError(f"{index} cannot be read as an index of weights. Copy the file anew.") from error
    if not fits:
        raise ProbeError(f"{index} cannot be read as an index of weights. Copy the file anew.")
    return dict(found)


def _indexed(index: Path) -> list[str]:
    files = sorted(set(_map(index).values()))
    missing = [file for file in files if not (index.parent / file).is_file()]
    if missing:
        raise ProbeError(
            f"{index.parent} lacks {', '.join(missing[:3])}, {len(missing)} of the {len(files)} files of weights "
            f"that its index names. {AGAIN}"
        )
    return files
