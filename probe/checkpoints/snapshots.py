"""Where the weights of a training's intermediate steps lie: MINE-steps/MINE-step-000100.pt beside MINE.pt."""

from __future__ import annotations

import re
from pathlib import Path

SUFFIX = "-steps"


def folder_of(out: Path) -> Path:
    """Returns the folder of the steps that are kept of a training that writes a checkpoint."""
    return out.with_name(f"{out.stem}{SUFFIX}")


def path_at(out: Path, step: int) -> Path:
    """Returns the checkpoint of a step; names sort as their steps do up to a million."""
    return folder_of(out) / f"{out.stem}-step-{step:06}.pt"


def kept_in(folder: Path) -> list[Path]:
    """Returns the checkpoints of a folder of kept steps, by step; none of any other folder."""
    if not folder.name.endswith(SUFFIX) or not folder.is_dir():
        return []
    named = re.compile(rf"{re.escape(folder.name.removesuffix(SUFFIX))}-step-([0-9]{{6,12}})\.pt")
    found = [(int(match[1]), path) for path in folder.iterdir() if (match := named.fullmatch(path.name))]
    return [path for _, path in sorted(found)]
