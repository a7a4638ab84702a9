"""Puts the models of several sizes that `probe sweep` trained into checkpoints/sizes, their weights in half precision.

    probe sweep analyses/sizes.csv --out runs/sizes
    python analyses/sizes.py runs/sizes

Park et al. (2024), arXiv:2402.04248, draw the error of a task against the floating-point operations of the training, a
point a size. Here sizes differ in the streams' width and in their rates: of the laptop's width the one that
analyses/rates.py found (its groups `linear` and `linear-whole`), of the others the better of that one and of that times
64 over the width (`linear-32`, `linear-128`).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from park import SIZES

from probe import Checkpoint, load_checkpoint
from probe.checkpoints import save


def name(found: Checkpoint) -> str:
    """Returns what a model's file is called: by its architecture, task and width."""
    return f"{found.description['arch']}-{found.task.replace('_', '-')}-{found.stream.width}"


def main(folders: Sequence[str]) -> None:
    """Writes the models of folders of `probe sweep` into checkpoints/sizes."""
    SIZES.mkdir(exist_ok=True)
    for path in sorted(path for folder in folders for path in Path(folder).glob("*.pt")):
        found = load_checkpoint(str(path))
        command = re.sub(r"--out \S+", f"--out {name(found)}.pt", found.description["command"])
        save(SIZES / f"{name(found)}.pt", found.model.half(), found.description | {"command": command})
        print(name(found))


if __name__ == "__main__":
    main(sys.argv[1:])
