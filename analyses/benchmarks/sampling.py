"""Measures drawing a batch against a training step of the laptop preset, for every task.

    python analyses/benchmarks/sampling.py [--arch transformer] [--repeats 9] [--threads 1] [--out FILE.md]

The architecture is the one whose steps are the shortest of those with a recipe of their own, so that the ratio is the
largest. A drawn batch and a step take turns; a step is the training's own, its draw included. Each runs once untimed.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from report import machine, markdown

from probe import TrainConfig
from probe.randomness import BatchSource
from probe.tasks import TASKS, make
from probe.training.plan import choose_settings, make_plan
from probe.training.run import start
from probe.training.step import take_step

TARGET = 0.1


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", default="transformer", help="whose training step")
    parser.add_argument("--repeats", type=int, default=9, help="batches and steps a median is taken over")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch")
    parser.add_argument("--out", type=Path, help="also write the table to this file")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    rows = [measured(name, arguments.arch, arguments.repeats) for name in TASKS]
    rows.sort(key=lambda row: -float(row[0]))
    titles = ["draw / step", "target", "task", "dim", "context", "draw, ms", "step, ms"]
    what = f"{machine(arguments.threads)}, {arguments.arch}, batches of 64, medians of {arguments.repeats}"
    text = f"{what}\n\n{markdown(titles, rows)}\n"
    print(text)
    if arguments.out:
        arguments.out.write_text(text)


def measured(name: str, arch: str, repeats: int) -> list[str]:
    """Returns a task's row."""
    config = TrainConfig(out="unused.pt", arch=arch, task=name, curriculum=False)
    plan = make_plan(config)
    task, device = make(plan.task, plan.dim), torch.device("cpu")
    run = start(plan, device, replace(choose_settings(config, plan, processes=1, before=None), device="cpu"), "")
    draws, steps = in_turns(
        repeats,
        lambda repeat: task.draw(BatchSource(plan.seed, repeat, plan.batch, device), plan.context),
        lambda _: take_step(run, plan, task),
    )
    ratio = draws / steps
    return [
        f"{ratio:.3f}",
        f"{TARGET}",
        name,
        str(plan.dim),
        str(plan.context),
        f"{draws * 1e3:.2f}",
        f"{steps * 1e3:.0f}",
    ]


def in_turns(repeats: int, *works: Callable[[int], object]) -> list[float]:
    """Returns each work's median seconds."""
    spent: list[list[float]] = [[] for _ in works]
    for repeat in range(repeats + 1):
        for seconds, work in zip(spent, works, strict=True):
            began = time.perf_counter()
            work(repeat)
            seconds.append(time.perf_counter() - began)
    return [statistics.median(seconds[1:]) for seconds in spent]


if __name__ == "__main__":
    main()
