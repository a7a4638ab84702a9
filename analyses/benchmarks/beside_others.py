"""Times a fit and a training beside as many busy processes as there are cores, against their fair share of the machine.

    python analyses/benchmarks/beside_others.py [--prompts 4096] [--steps 60] [--repeats 3] [--out FILE.md]

Alone, and beside processes that do nothing but count, one for each core, in turns. With as many threads as there are
cores a command's fair share is then half of the machine, and its fair time twice that alone: the first column is the
time beside the others over that, of medians. Start-up is not counted: it is the library's own.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

# before torch, so that threads that wait sleep, as in every command
import probe  # isort: skip
import torch
from report import machine, markdown

CKPT = Path(__file__).resolve().parents[2] / "checkpoints" / "mamba.pt"
BUSY = [sys.executable, "-c", "while True: pass"]
TARGET = 1.3


def main() -> int:
    """Times and prints; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=4096, help="that heads are fitted on")
    parser.add_argument("--steps", type=int, default=60, help="of the training")
    parser.add_argument("--repeats", type=int, default=3, help="runs a median is taken over")
    parser.add_argument("--out", type=Path, help="also write the table to this file")
    asked = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    torch.set_num_threads(cores)
    with tempfile.TemporaryDirectory() as folder:
        works: dict[str, Callable[[], object]] = {
            f"fit of mamba.pt, {asked.prompts:,} prompts": lambda: fitted(asked.prompts),
            f"training of a mamba, {asked.steps} steps": lambda: trained(asked.steps, Path(folder), "mamba"),
            f"training of a transformer, {asked.steps} steps": lambda: trained(
                asked.steps, Path(folder), "transformer"
            ),
        }
        rows = [row(name, work, cores, asked.repeats) for name, work in works.items()]
    titles = ["beside / fair time", "target", "what", "beside s", "alone s"]
    text = f"{machine(cores)}; {cores} busy processes; medians of {asked.repeats}\n\n{markdown(titles, rows)}\n"
    print(text)
    if asked.out:
        asked.out.write_text(text)
    return 0


def fitted(prompts: int) -> None:
    """Fits heads."""
    config = probe.FitConfig(ckpt=(str(CKPT),), task="linear", head=("linear",), prompts=prompts, score=512)
    probe.fit(config)


def trained(steps: int, folder: Path, arch: str) -> None:
    """Trains a model of the laptop preset."""
    config = probe.TrainConfig(
        out=str(folder / f"{arch}.pt"), arch=arch, task="linear", steps=steps, curriculum=False, overwrite=True
    )
    probe.train(config)


def row(name: str, work: Callable[[], object], cores: int, repeats: int) -> list[str]:
    """Returns a row of the table."""
    alone, beside = [], []
    work()
    for _ in range(repeats):
        alone.append(timed(work))
        others = [subprocess.Popen(BUSY) for _ in range(cores)]
        try:
            beside.append(timed(work))
        finally:
            for other in others:
                other.kill()
                other.wait()
    quiet, busy = statistics.median(alone), statistics.median(beside)
    return [f"{busy / (2 * quiet):.2f}", f"{TARGET}", name, f"{busy:.1f}", f"{quiet:.1f}"]


def timed(work: Callable[[], object]) -> float:
    """Returns the seconds that a call takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
