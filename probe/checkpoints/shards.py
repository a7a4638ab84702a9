"""A checkpoint as a folder: safetensors files of a few MB each, and an index that describes them.

The index is written last, and a folder without one is no checkpoint. Parts are named by the digest of their contents:
a new checkpoint's parts can lie beside the old one's until its index replaces the old index.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from torch import Tensor

from probe.errors import ProbeError
from probe.files import write_atomically
from probe.files.exchange import TEMPORARY
from probe.files.parsed import BYTES, read_json

INDEX = "checkpoint.json"
MEGABYTE = 10**6
PART = re.compile(r"weights-[0-9]+-of-[0-9]+(-[0-9a-f]{12})?\.safetensors")
INSTEAD = "Copy the folder anew."


def is_sharded(path: Path) -> bool:
    """Returns whether a path is such a folder."""
    return (path / INDEX).is_file()


def write_shards(folder: Path, content: Mapping[str, Any], weights: Mapping[str, Tensor], megabytes: float) -> None:
    """Writes weights and their description into a folder that is new, empty, or a checkpoint in parts.

    Args:
        content: JSON-able; what `read_shards` gives back beside the weights.
        megabytes: at most so many millions of bytes of tensors a file; a larger tensor has a file of its own.

    Raises:
        ProbeError: if the folder holds anything else, or cannot be written.
    """
    from safetensors.torch import save

    if not _is_free(folder):
        raise ProbeError(f"{folder} holds something other than a checkpoint in parts. Give a new folder.")
    if not megabytes > 0:
        raise ProbeError(f"Parts of {megabytes:g} MB were asked for, but a positive number is needed. Give 15.")
    parts = _parts(weights, megabytes * MEGABYTE)
    old, names = _written(folder), []
    try:
        for number, tensors in enumerate(parts, start=1):
            packed = save(tensors)
            digest = hashlib.sha256(packed).hexdigest()[:12]
            names.append(f"weights-{number}-of-{len(parts)}-{digest}.safetensors")
            if names[-1] not in old:
                write_atomically(folder / names[-1], lambda file, packed=packed: file.write(packed))
        text = json.dumps({**content, "files": names}, indent=1)
        write_atomically(folder / INDEX, lambda file: file.write(text.encode()))
    except BaseException:
        _remove(folder, set(names) - old - _named(folder))
        raise
    _remove(folder, _written(folder) - set(names))


def _parts(weights: Mapping[str, Tensor], most: float) -> list[dict[str, Tensor]]:
    parts: list[dict[str, Tensor]] = [{}]
    room = most
    for name, tensor in weights.items():
        size = tensor.numel() * tensor.element_size()
        if size > room and parts[-1]:
            parts.append({})
            room = most
        parts[-1][name] = tensor
        room -= size
    return parts


def _is_free(folder: Path) -> bool:
    """Returns whether a folder is new, or holds only a checkpoint in parts or an incomplete one."""
    if folder.is_file():
        return False
    return not folder.is_dir() or is_sharded(folder) or all(_is_ours(path.name) for path in folder.iterdir())


def _is_ours(name: str) -> bool:
    return bool(PART.fullmatch(name) or TEMPORARY.fullmatch(name))


def _written(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("weights-*.safetensors")}


def _named(folder: Path) -> set[str]:
    """Returns the parts that the folder's index names."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        return set(json.loads((folder / INDEX).read_bytes())["files"])
    return set()


def _remove(folder: Path, names: Iterable[str]) -> None:
    for name in names:
        with suppress(OSError):
            (folder / name).unlink()


def read_shards(folder: Path) -> dict[str, Any]:
    """Returns the content of a checkpoint in parts, with its weights by the name ``weights``.

    Raises:
        ProbeError: if a file is missing, damaged, or names what lies elsewhere.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    weights: dict[str, Tensor] = {}
    try:
        content = read_json(folder / INDEX, BYTES["index"])
        files = content["files"]
        if not all(Path(name).name == name for name in files):
            raise ValueError("a part lies elsewhere")
        for name in files:
            weights |= load_file(folder / name)
    except ProbeError as error:
        raise ProbeError(f"{folder} is damaged: its index or one of its parts cannot be read. {INSTEAD}") from error
    except OSError as error:
        raise ProbeError(
            f"{error.filename or folder} cannot be read: {error.strerror or 'it is missing'}. {INSTEAD}"
        ) from error
    except (ValueError, KeyError, TypeError, RecursionError, SafetensorError) as error:
        raise ProbeError(f"{folder} is damaged: its index or one of its parts cannot be read. {INSTEAD}") from error
    return {**content, "weights": weights}
