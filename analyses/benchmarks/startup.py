"""Measures how long `import probe` and `probe --help` take beyond starting Python.

    python analyses/benchmarks/startup.py [--repeats 7] [--out FILE.md]

The commands take turns, each in a process of its own, and medians are printed. Before anything is timed each must
succeed, `import probe` must not import torch, and the help must name the verbs.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from report import machine, markdown

TARGET = 0.5  # seconds more than starting Python
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    'python -c "import probe"': [sys.executable, "-c", "import probe"],
    "probe --help": [sys.executable, "-m", "probe", "--help"],
}
IMPORTS_TORCH = [sys.executable, "-c", "import probe, sys; print('torch' in sys.modules)"]


def main() -> int:
    """Checks, times and prints; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7, help="runs a median is taken over")
    parser.add_argument("--out", type=Path, help="also write the table to this file")
    arguments = parser.parse_args()
    outputs = {name: run(command) for name, command in COMMANDS.items()}
    if "fit" not in outputs["probe --help"] or run(IMPORTS_TORCH).strip() != "False":
        print("The help names no verbs, or import probe imports torch; nothing was timed.", file=sys.stderr)
        return 1
    medians = in_turns(arguments.repeats)
    start = medians["python -c pass"]
    rows = [
        [f"{(spent - start):+.3f}", f"{TARGET}", f"{spent / start:.1f}", name, f"{spent:.3f}"]
        for name, spent in medians.items()
    ]
    table = markdown(["seconds beyond Python's", "target", "times Python's", "command", "seconds"], rows)
    text = f"{machine()}, Python {platform.python_version()}, medians of {arguments.repeats}\n\n{table}\n"
    print(text)
    if arguments.out:
        arguments.out.write_text(text)
    return 0


def in_turns(repeats: int) -> dict[str, float]:
    """Returns each command's median seconds, the commands taking turns."""
    spent: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(repeats):
        for name, command in COMMANDS.items():
            began = time.perf_counter()
            run(command)
            spent[name].append(time.perf_counter() - began)
    return {name: statistics.median(seconds) for name, seconds in spent.items()}


def run(command: Sequence[str]) -> str:
    """Runs a command that must succeed and returns what it printed."""
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    sys.exit(main())
