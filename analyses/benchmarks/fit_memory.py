"""Measures whether the peak memory of `probe fit` grows with the number of prompts.

    python analyses/benchmarks/fit_memory.py [--prompts 4096 32768] [--repeats 3] [--out FILE.md]

Trains a checkpoint for a few steps in a temporary folder, then fits heads on it by the command, each time in a
process of its own, the numbers of prompts taking turns; the system reports each process's peak. The model's own
errors, measured on prompts that do not depend on --prompts, must agree to the last digit, or nothing is printed.
"""

from __future__ import annotations

import argparse
import csv
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from report import machine, markdown

TARGET = 1.15


def main() -> int:
    """Trains, measures and prints; returns the exit code."""
    arguments = parse()
    peaks: dict[int, list[int]] = {count: [] for count in arguments.prompts}
    with tempfile.TemporaryDirectory() as folder:
        checkpoint, stem = Path(folder) / "small.pt", Path(folder) / "fit"
        train(checkpoint, arguments)
        errors = {}
        for _ in range(arguments.repeats):
            for count in arguments.prompts:
                peaks[count].append(fit(checkpoint, stem, count, arguments))
                errors[count] = model_errors(stem)
    if len(set(errors.values())) > 1:
        print(f"The model's own errors differ between runs: {errors}.", file=sys.stderr)
        return 1
    medians = {count: statistics.median(seen) for count, seen in peaks.items()}
    first = medians[arguments.prompts[0]]
    rows = [[f"{peak / first:.3f}", f"{TARGET}", str(count), f"{peak / 2**20:.0f}"] for count, peak in medians.items()]
    titles = [f"peak / peak at {arguments.prompts[0]}", "target", "prompts", "peak MiB"]
    model = f"{arguments.arch}, {arguments.blocks} blocks, width {arguments.width}, {arguments.context} examples"
    text = f"{machine()}; {model}\n\n{markdown(titles, rows)}\n"
    print(text)
    if arguments.out:
        arguments.out.write_text(text)
    return 0


def parse() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, nargs="+", default=[4096, 32768], help="numbers to fit on")
    parser.add_argument("--arch", default="mamba", help="as for probe train, like the next three")
    parser.add_argument("--blocks", type=int, default=8)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--context", type=int, default=15)
    parser.add_argument("--steps", type=int, default=20, help="training steps of the checkpoint")
    parser.add_argument("--score", type=int, default=2048, help="prompts errors are measured on")
    parser.add_argument("--repeats", type=int, default=3, help="processes a median is taken over")
    parser.add_argument("--out", type=Path, help="also write the table to this file")
    return parser.parse_args()


def train(checkpoint: Path, arguments: argparse.Namespace) -> None:
    """Writes a checkpoint."""
    flags = ["--arch", arguments.arch, "--task", "linear", "--out", str(checkpoint)]
    for name in ("blocks", "width", "context", "steps"):
        flags += [f"--{name}", str(getattr(arguments, name))]
    peak_of([sys.executable, "-m", "probe", "train", *flags])


def fit(checkpoint: Path, stem: Path, count: int, arguments: argparse.Namespace) -> int:
    """Fits heads in a fresh process and returns the most bytes it held."""
    flags = ["--ckpt", str(checkpoint), "--task", "linear", "--out", str(stem)]
    flags += ["--prompts", str(count), "--score", str(arguments.score)]
    return peak_of([sys.executable, "-m", "probe", "fit", *flags])


def peak_of(command: Sequence[str]) -> int:
    """Runs a command that must succeed and returns the most bytes it held.

    A process's peak counts what its parent held when it was started, so this one imports nothing large.
    """
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def model_errors(stem: Path) -> tuple[str, ...]:
    """Returns the model's own errors as they stand in the record."""
    with stem.with_suffix(".csv").open() as file:
        return tuple(row["error"] for row in csv.DictReader(file) if row["head"] == "model")


if __name__ == "__main__":
    sys.exit(main())
