"""Paths of the kept steps of a training: MINE-steps/MINE-step-000100.pt beside MINE.pt."""

from __future__ import annotations

import re
from pathlib import Path

SUFFIX = "-steps"


def folder_of(out: Path) -> Path:
    """Returns the folder of the kept steps of the training that writes a checkpoint."""
    return out.with_name(f"{out.stem}{SUFFIX}")


def path_at(out: Path, step: int) -> Path:
    """Returns the path of a step's checkpoint; up to a million steps, paths sort by step."""
    return folder_of(out) / f"{out.stem}-step-{step:06}.pt"


def kept_in(folder: Path) -> list[Path]:
    """Returns the checkpoints of a folder of kept steps, by step; an empty list for any other folder."""
    if not folder.name.endswith(SUFFIX) or not folder.is_dir():
        return []
    named = re.compile(rf"{re.escape(folder.name.removesuffix(SUFFIX))}-step-([0-9]{{6,12}})\.pt")
    found = [(int(match[1]), path) for path in folder.iterdir() if (match := named.fullmatch(path.name))]
    return [path for _, path in sorted(found)]
