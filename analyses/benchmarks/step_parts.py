"""Times training steps on batches in parts side by side against whole batches, whose operations threads share.

    python analyses/benchmarks/step_parts.py [--threads 2] [--repeats 21] [--out FILE.md]

Steps are those of `probe train` on linear: the laptop preset of each architecture, and two models of the papers' width
(256, 20 dimensions, 40 examples), batch 64. Beside them stand steps with one thread in all. All have the
same gradients, which is checked before anything is timed. Everything takes turns; times are medians.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

# before torch, so that threads that wait sleep, as in a training
from probe import TrainConfig  # isort: skip
import torch
from report import machine, markdown

from probe.tasks import make
from probe.training.parts import ONE_PART, Parts, in_parts
from probe.training.plan import RunSettings, make_plan
from probe.training.run import Run, start
from probe.training.step import take_step

PAPERS = {"width": 256, "dim": 20, "context": 40}
MODELS = {
    "mamba": {"arch": "mamba"},
    "transformer": {"arch": "transformer"},
    "mambaformer": {"arch": "mambaformer"},
    "s4": {"arch": "s4"},
    "rwkv4": {"arch": "rwkv4"},
    "gated_deltanet": {"arch": "gated_deltanet"},
    "lstm": {"arch": "lstm"},
    "mamba, 4 blocks of width 256": {"arch": "mamba", "blocks": 4, **PAPERS},
    "transformer, 8 blocks of width 256": {"arch": "transformer", "blocks": 8, **PAPERS},
}
AGREE = 1e-4
"""Of the largest gradient of the first step, float32 through all layers."""


def main() -> int:
    """Checks, times and prints; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    parser.add_argument("--repeats", type=int, default=21, help="steps a median is taken over")
    parser.add_argument("--out", type=Path, help="also write the table to this file")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    rows = []
    for name, given in MODELS.items():
        row = timed(name, given, asked.threads, asked.repeats)
        if row is None:
            print(f"The steps of {name} differ; nothing more was timed.", file=sys.stderr)
            return 1
        rows.append(row)
        print(name, file=sys.stderr, flush=True)
    titles = ["parts / whole", "parts / one thread", "model", "parts ms", "whole ms", "one thread ms"]
    text = f"{machine(asked.threads)}, float32, batch 64; a training step\n\n{markdown(titles, rows)}\n"
    print(text)
    if asked.out:
        asked.out.write_text(text)
    return 0


def timed(name: str, given: Mapping[str, str | int], threads: int, repeats: int) -> list[str] | None:
    """Returns a row of the table, or None if the steps differ."""
    plan = make_plan(TrainConfig(out="unused.pt", task="linear", batch=64, curriculum=False, **given))  # type: ignore[arg-type]
    task = make(plan.task, plan.dim)
    with ExitStack() as held:
        settings = [RunSettings(device="cpu", threads=count) for count in (threads, threads, 1)]
        parts: list[Parts] = [held.enter_context(in_parts(plan, settings[0])), ONE_PART, ONE_PART]
        runs = [start(plan, torch.device("cpu"), each, "") for each in settings]
        steps: list[Callable[[], None]] = [
            lambda run=run, each=each: take_step(run, plan, task, each)  # type: ignore[misc]
            for run, each in zip(runs, parts, strict=True)
        ]
        for step in steps:
            step()
        if not disagreement(runs[0], runs[1]) < AGREE:
            return None
        spent: list[list[float]] = [[] for _ in steps]
        for _ in range(repeats):
            for seconds, step in zip(spent, steps, strict=True):
                began = time.perf_counter()
                step()
                seconds.append(time.perf_counter() - began)
    ours, whole, alone = (1e3 * statistics.median(seconds) for seconds in spent)
    return [f"{ours / whole:.2f}", f"{ours / alone:.2f}", name, f"{ours:.0f}", f"{whole:.0f}", f"{alone:.0f}"]


def disagreement(run: Run, other: Run) -> float:
    """Returns the largest difference of two runs' gradients over the largest gradient."""
    pairs = zip(run.model.parameters(), other.model.parameters(), strict=True)
    found = [(mine.grad, theirs.grad) for mine, theirs in pairs if mine.grad is not None and theirs.grad is not None]
    largest = max(float(theirs.abs().max()) for _, theirs in found)
    return max(float((mine - theirs).abs().max()) for mine, theirs in found) / largest


if __name__ == "__main__":
    sys.exit(main())
