"""Fitted heads by name, and the two files STEM.heads.safetensors and STEM.heads.json that hold them beside a record."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from probe.errors import ProbeError, suggest
from probe.files import Write
from probe.files.parsed import read_json
from probe.heads import LinearHeads

TENSORS = ("weight", "intercept", "penalty")


class FittedHeads(Mapping[str, Any]):
    """Fitted heads by the head's name, of several checkpoints by the checkpoint's and then the head's."""

    def __init__(self, heads: Mapping[str, Any]) -> None:
        self._heads = dict(heads)

    def __getitem__(self, name: str) -> Any:
        """Returns the heads of a name, or raises a KeyError that says which names there are."""
        if name not in self._heads:
            raise KeyError(f"{name!r} is not there. {suggest(str(name), list(self))}There are: {', '.join(self)}.")
        return self._heads[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._heads)

    def __len__(self) -> int:
        return len(self._heads)


def head_files(stem: Path) -> list[Path]:
    """Returns the files in which heads lie beside a record."""
    return [Path(f"{stem}.heads.safetensors"), Path(f"{stem}.heads.json")]


def head_writes(stem: Path, heads: FittedHeads) -> tuple[dict[Path, Write], str]:
    """Returns what is written for heads, by path, and the digest of the tensors' file."""
    from safetensors.torch import save

    paths = dict(_paths(heads))
    tensors = {
        f"{place}.{name}": getattr(one, name).cpu().contiguous()
        for place, one in enumerate(paths.values())
        for name in TENSORS
    }
    content = save(tensors)
    digest = hashlib.sha256(content).hexdigest()
    about = json.dumps({"digest": digest, "heads": list(map(list, paths))}, indent=2).encode() + b"\n"
    first, second = head_files(stem)
    return {first: lambda file: file.write(content), second: lambda file: file.write(about)}, digest


def read_heads(stem: Path, digest: object) -> FittedHeads:
    """Returns the heads that lie beside a record.

    Raises:
        ProbeError: if they are missing, damaged, or of another run.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    first, second = head_files(stem)
    try:
        content, about = first.read_bytes(), read_json(second)
        if hashlib.sha256(content).hexdigest() != digest or about.get("digest") != digest:
            raise ProbeError(f"{first} does not belong to {stem}.json. Restore both, or run the command again.")
        tensors = load(content)
        found: dict[str, Any] = {}
        for place, path in enumerate(about["heads"]):
            inner = found.setdefault(path[0], {}) if len(path) > 1 else found
            inner[path[-1]] = LinearHeads(*(tensors[f"{place}.{name}"] for name in TENSORS))
    except (OSError, SafetensorError, KeyError, AttributeError) as error:
        raise ProbeError(f"{first} cannot be read as heads ({error}). Save the result again.") from error
    return FittedHeads({name: FittedHeads(one) if isinstance(one, dict) else one for name, one in found.items()})


def _paths(heads: FittedHeads) -> Iterator[tuple[tuple[str, ...], LinearHeads]]:
    for name, one in heads.items():
        if isinstance(one, FittedHeads):
            yield from (((name, *rest), inner) for rest, inner in _paths(one))
        else:
            yield (name,), one
