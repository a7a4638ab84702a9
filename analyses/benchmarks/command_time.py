"""Times the README's first command, start-up included, beside an older version of the project.

    python analyses/benchmarks/command_time.py --old CHECKOUT [--prompts 8192] [--repeats 5] [--out FILE.md]

Both versions run `probe fit --ckpt checkpoints/mamba.pt --task linear` in processes of their own, in turns, once
untimed, each with as many threads as torch takes. The first column is the time of this version over that of the older
one, of medians; before it is written, the largest difference of any error in the two records is told, which is
rounding. Without `--old` this version is timed alone. Processor time tells what else the machine did meanwhile.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
from report import machine, markdown

HERE = Path(__file__).resolve().parents[2]
CKPT = HERE / "checkpoints" / "mamba.pt"
AGREE = 1e-4


def main() -> int:
    """Runs both versions in turns and prints the table; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--old", type=Path, help="a checkout of an older version")
    parser.add_argument("--prompts", type=int, help="that heads are fitted on; as the command has it unless given")
    parser.add_argument("--repeats", type=int, default=5, help="runs a median is taken over")
    parser.add_argument("--out", type=Path, help="also write the table to this file")
    asked = parser.parse_args()
    trees = {"new": HERE} | ({"old": asked.old.resolve()} if asked.old else {})
    wall: dict[str, list[float]] = {version: [] for version in trees}
    used: dict[str, list[float]] = {version: [] for version in trees}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(asked.repeats + 1):
            for version, tree in trees.items():
                seconds, processor = run(tree, Path(folder) / f"{version}-{turn}", asked.prompts)
                if turn:
                    wall[version].append(seconds)
                    used[version].append(processor)
        off = difference(Path(folder)) if asked.old else 0.0
    if not off < AGREE:
        print(f"The versions' errors differ by {off:.1e}; nothing is told of their time.", file=sys.stderr)
        return 1
    new = statistics.median(wall["new"])
    rows = [
        [
            f"{new / statistics.median(wall[version]):.2f}",
            version,
            f"{statistics.median(wall[version]):.1f}",
            f"{min(wall[version]):.1f}",
            f"{statistics.median(used[version]):.1f}",
        ]
        for version in trees
    ]
    titles = ["new / this one", "version", "seconds, median", "least", "processor's seconds"]
    text = f"{machine()}; {asked.repeats} runs each; errors differ by {off:.0e} at most\n\n{markdown(titles, rows)}\n"
    print(text)
    if asked.out:
        asked.out.write_text(text)
    return 0


def run(tree: Path, out: Path, prompts: int | None) -> tuple[float, float]:
    """Runs a version's command, and returns its seconds and those of the processor."""
    command = [sys.executable, "-m", "probe", "fit", "--ckpt", str(CKPT), "--task", "linear", "--out", str(out)]
    command += [] if prompts is None else ["--prompts", str(prompts)]
    environment = os.environ | {"PYTHONPATH": str(tree)}
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, cwd=tree, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def difference(folder: Path) -> float:
    """Returns the largest difference of an error of the two versions, of predicting zero."""
    new, old = (pd.read_csv(folder / f"{version}-0.csv") for version in ("new", "old"))
    keys = ["model", "target", "head", "layer", "context"]
    both = new.merge(old, on=keys, suffixes=("", "_old"))
    assert len(both) == len(old), "the rows of the older version"
    return float((both["error"] - both["error_old"]).abs().max())


if __name__ == "__main__":
    sys.exit(main())
