"""A checkpoint as a folder of small files: safetensors, each of a few MB, and an index that describes them.

The index is written last, so that a folder without one is no checkpoint.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from probe.capture.parsed import BYTES, read_json
from probe.errors import ProbeError
from probe.records import write_atomically

INDEX = "checkpoint.json"
MEGABYTE = 10**6
INSTEAD = "Copy the folder anew."


def is_sharded(path: Path) -> bool:
    """Returns whether a path is such a folder."""
    return (path / INDEX).is_file()


def write_shards(folder: Path, content: Mapping[str, Any], weights: Mapping[str, Tensor], megabytes: float) -> None:
    """Writes weights and what describes them into a folder that is new, empty, or such a checkpoint already.

    Args:
        content: JSON-able; what `read_shards` gives back beside the weights.
        megabytes: at most so many millions of bytes of tensors a file; a larger tensor has a file of its own.

    Raises:
        ProbeError: if the folder holds anything else, or cannot be written.
    """
    from safetensors.torch import save

    if folder.is_file() or (folder.is_dir() and any(folder.iterdir()) and not is_sharded(folder)):
        raise ProbeError(f"{folder} holds something other than a checkpoint in parts. Give a new folder.")
    if not megabytes > 0:
        raise ProbeError(f"Parts of {megabytes:g} MB were asked for, but a positive number is needed. Give 15.")
    parts: list[dict[str, Tensor]] = [{}]
    room = megabytes * MEGABYTE
    for name, tensor in weights.items():
        size = tensor.numel() * tensor.element_size()
        if size > room and parts[-1]:
            parts.append({})
            room = megabytes * MEGABYTE
        parts[-1][name] = tensor
        room -= size
    (folder / INDEX).unlink(missing_ok=True)
    for old in folder.glob("weights-*.safetensors"):
        old.unlink()
    names = [f"weights-{number}-of-{len(parts)}.safetensors" for number in range(1, len(parts) + 1)]
    for name, tensors in zip(names, parts, strict=True):
        packed = save(tensors)
        write_atomically(folder / name, lambda file, packed=packed: file.write(packed))  # type: ignore[misc]
    text = json.dumps({**content, "files": names}, indent=1)
    write_atomically(folder / INDEX, lambda file: file.write(text.encode()))


def read_shards(folder: Path) -> dict[str, Any]:
    """Returns what was written, the weights by the name ``weights``.

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
