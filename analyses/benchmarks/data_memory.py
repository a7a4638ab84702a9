"""Measures memory and time of heads on data of a user's own, by the number of prompts.

    python analyses/benchmarks/data_memory.py [--prompts 10000 100000 1000000] [--out FILE.md]

Prompts of 4 tokens in 2 dimensions lie in a folder of arrays, larger than is ever read at once; a model of two
blocks, three layers, is asked for a number at every token, and every prompt is used. Each size is fitted in a process
of its own, on one thread.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from report import machine, markdown

TOKENS, DIM, CHUNK = 4, 2, 100_000
EVERY = 2**31 - 1
"""Prompts that are asked for: all that there are."""


def main() -> int:
    """Measures and prints; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, nargs="+", default=[10_000, 100_000, 1_000_000], help="in the folder")
    parser.add_argument("--out", type=Path, help="also write the table to this file")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.folder:
        print(*fitted(asked.folder))
        return 0
    rows = []
    for prompts in asked.prompts:
        with tempfile.TemporaryDirectory() as folder:
            write(Path(folder), prompts)
            command = [sys.executable, __file__, "--folder", folder]
            found = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            before, peak, seconds = map(float, found.split())
        rows.append([f"{peak:.0f}", f"{before:.0f}", f"{seconds:.0f}", f"{prompts:,}"])
        print(f"{prompts:,} prompts", file=sys.stderr, flush=True)
    titles = ["MB at most", "MB before the fit", "seconds", "prompts"]
    text = f"{machine(1)}; heads at three layers, {TOKENS} tokens in {DIM} dimensions\n\n{markdown(titles, rows)}\n"
    print(text)
    if asked.out:
        asked.out.write_text(text)
    return 0


def write(folder: Path, prompts: int) -> None:
    """Writes prompts to a folder, piece by piece."""
    rng = np.random.default_rng(0)
    inputs, targets = (
        np.lib.format.open_memmap(folder / f"{name}.npy", "w+", np.float32, (prompts, TOKENS, size))
        for name, size in (("inputs", DIM), ("targets", 1))
    )
    for first in range(0, prompts, CHUNK):
        part = rng.standard_normal((min(CHUNK, prompts - first), TOKENS, DIM), np.float32)
        inputs[first : first + CHUNK] = part
        targets[first : first + CHUNK] = part.cumsum(1).sum(2, keepdims=True)


def fitted(folder: Path) -> tuple[float, float, float]:
    """Fits heads; returns the megabytes before it and at most, and its seconds."""
    import torch

    import probe

    torch.set_num_threads(1)
    config = probe.ModelConfig(layout="M2", dim=DIM, width=16, outputs=1)
    model = probe.from_model(probe.NativeModel(probe.ResidualModel(config)), "two blocks", context=TOKENS)
    before, began = _megabytes(), time.perf_counter()
    probe.fit(model, data=str(folder), head="linear", prompts=EVERY, score=EVERY)
    return before, _megabytes(), time.perf_counter() - began


def _megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    sys.exit(main())
