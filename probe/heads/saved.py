"""Heads in files: STEM.safetensors holds the tensors, STEM.json whose they are and a digest of both.

The two files are exchanged as one set. Nothing that is read is executed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from probe.errors import ProbeError
from probe.files import Write, settle, write_together
from probe.files.parsed import read_json

KIND = "probe heads"
TENSORS = {"weight": 4, "intercept": 3, "penalty": 2}
"""What linear heads hold, with the number of axes of each."""
AXES = ("layers", "contexts", "width", "targets")


@dataclass(frozen=True, eq=False)
class Entry:
    """Heads as files hold them.

    Attributes:
        path: the names that lead to them: none for heads alone, the head's name, or the model's and the head's.
        tensors: by name, on the CPU.
        origin: what they were fitted on, as plain values.
    """

    path: tuple[str, ...]
    tensors: dict[str, Tensor]
    origin: dict[str, Any]


def head_paths(stem: str | Path) -> tuple[Path, Path]:
    """Returns the file of the tensors and the file that describes them."""
    return Path(f"{stem}.safetensors"), Path(f"{stem}.json")


def head_writes(entries: Sequence[Entry], stem: str | Path) -> dict[Path, Write]:
    """Returns the contents of the two files by path, for `probe.files.write_together`."""
    from safetensors.torch import save

    tensors, heads = _told(entries)
    about = {"kind": KIND, "digest": _digest(tensors, heads), "heads": heads}
    first, second = head_paths(stem)
    contents = {first: save(tensors), second: (json.dumps(about, indent=2) + "\n").encode()}
    return {path: _writing(content) for path, content in contents.items()}


def digest_of(entries: Sequence[Entry]) -> str:
    """Returns the digest of heads as their files carry it, hexadecimal."""
    return _digest(*_told(entries))


def _told(entries: Sequence[Entry]) -> tuple[dict[str, Tensor], Any]:
    """Returns the tensors of heads by name, and what is told of the heads."""
    tensors = {f"{i}.{name}": tensor for i, one in enumerate(entries) for name, tensor in one.tensors.items()}
    return tensors, json.loads(json.dumps([_described(one) for one in entries]))


def write_heads(entries: Sequence[Entry], stem: str | Path) -> tuple[Path, Path]:
    """Writes STEM.safetensors and STEM.json, both or neither, and returns their paths.

    Raises:
        ProbeError: if they cannot be written.
    """
    write_together(head_writes(entries, stem))
    return head_paths(stem)


def read_heads(stem: str | Path) -> list[Entry]:
    """Reads what `write_heads` wrote.

    Raises:
        ProbeError: for a missing, damaged or foreign file.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    file, description = head_paths(stem)
    settle(file.parent)
    about = read_json(description)
    try:
        tensors = load(file.read_bytes())
    except OSError as error:
        raise ProbeError(f"{file} cannot be read: {error.strerror}. Save the heads again.") from None
    except (ValueError, SafetensorError):
        raise ProbeError(f"{file} holds no heads that can be read. Give the stem of saved heads.") from None
    heads = about.get("heads") if isinstance(about, dict) else None
    if not isinstance(heads, list) or about.get("digest") != _digest(tensors, heads):
        raise ProbeError(
            f"{file} is not what {description} describes: one is damaged or belongs to others. Save the heads again."
        )
    return [_entry(i, one, tensors, file) for i, one in enumerate(heads)]


def _entry(number: int, told: Any, tensors: Mapping[str, Tensor], file: Path) -> Entry:
    own = {name: tensors.get(f"{number}.{name}") for name in TENSORS}
    told = told if isinstance(told, dict) else {}
    path, origin = told.get("path"), told.get("origin")
    whole = {name: tensor for name, tensor in own.items() if tensor is not None and tensor.ndim == TENSORS[name]}
    if whole.keys() != TENSORS.keys() or not isinstance(path, list) or not isinstance(origin, dict):
        raise ProbeError(f"{file} holds other tensors than linear heads have. Give the stem of saved heads.")
    return Entry(tuple(map(str, path)), {name: tensor.double() for name, tensor in whole.items()}, origin)


def _described(entry: Entry) -> dict[str, object]:
    shape = dict(zip(AXES, entry.tensors["weight"].shape, strict=False))
    return {"path": entry.path, "shape": shape, "origin": entry.origin}


def _digest(tensors: Mapping[str, Tensor], heads: object) -> str:
    """Returns a digest of tensors, by their names, types, shapes and values, and of what is told of them."""
    state = hashlib.sha256(json.dumps(heads, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        state.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        state.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return state.hexdigest()


def _writing(content: bytes) -> Write:
    return lambda file: file.write(content)
