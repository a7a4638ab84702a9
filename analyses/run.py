"""Runs notebooks without Jupyter: their code cells in order, in one namespace.

python analyses/run.py grazzi_layers.ipynb ...      draws the pictures of docs/gallery.md; of all notebooks if none
                                                    is named
PROBE_BUDGET=small python analyses/run.py ...       only shows that they run
PROBE_BUDGET=draw python analyses/run.py ...        draws from the records as they are
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from pathlib import Path

HERE = Path(__file__).parent
OURS = (
    r"(probe|notebook|beliefs|budget|curves|park|park_table|published|verdict|verdict_picture|thresholds|known_trained|diversity|through"
    r"|tracking)(\.|$)"
)


def cells(notebook: Path) -> list[str]:
    """Returns the code cells of a notebook."""
    read = json.loads(notebook.read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in read["cells"] if cell["cell_type"] == "code"]


def run(notebook: Path) -> None:
    """Runs a notebook from its own folder; a warning of our own code is an error."""
    warnings.filterwarnings("error", module=OURS)
    os.chdir(notebook.parent)
    namespace = {"__name__": "notebook"}
    for number, cell in enumerate(cells(notebook), start=1):
        exec(compile(cell, f"{notebook.name}, code cell {number}", "exec"), namespace)


def main(names: list[str]) -> None:
    """Runs the notebooks named, or all."""
    chosen = [HERE / Path(name).name for name in names] or sorted(HERE.glob("*.ipynb"))
    for notebook in chosen:
        started = time.perf_counter()
        run(notebook)
        print(f"{notebook.name}: {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
