"""Measures the whole of `probe fit` against the script that one would write without it: time, and peak memory.

    python analyses/benchmarks/fit_against_script.py [--ckpt checkpoints/mamba.pt] [--prompts 8192 32768] [--repeats 3]

The script captures every block by nnsight, batch by batch, keeps everything in memory, and fits scikit-learn's
`RidgeCV` for every layer and number of examples, its penalty chosen by closed-form leave-one-out errors; then it
does the same to the score prompts and measures every head's error. `probe fit` draws a quarter as many prompts
again to choose penalties on, and beside the heads it measures the model itself, chance and 1,000 bootstrap
resamples of everything. Both take the same prompts, and the same penalties of standardised features.

Each runs in processes of its own, taking turns, with the start-up, imports and the loading of the checkpoint left
out of the time; memory is the process's peak above what it held then. Before anything is printed the heads' errors
of both must agree: the median over cells of their ratio, and the worst of it, are told.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from report import machine, markdown

TARGETS = {"time": "", "memory": "5"}
SCORE, BATCH = 2048, 128
AGREE = 1.1
Errors = list[list[float]]
"""By layer and number of examples."""


def main() -> int:
    """Measures and prints; returns the exit code."""
    arguments = parse()
    if arguments.child:
        print(json.dumps(child(arguments)))
        return 0
    rows = []
    for prompts in arguments.prompts:
        seen: dict[str, list[dict[str, Any]]] = {"ours": [], "script": []}
        for _ in range(arguments.repeats):
            for name, runs in seen.items():
                runs.append(run_child(name, prompts, arguments))
        ratios = [
            ours / theirs
            for mine, others in zip(seen["ours"][0]["errors"], seen["script"][0]["errors"], strict=True)
            for ours, theirs in zip(mine, others, strict=True)
        ]
        told = f"{statistics.median(ratios):.4f} ({min(ratios):.3f} to {max(ratios):.3f})"
        if not 1 / AGREE < statistics.median(ratios) < AGREE:
            print(f"The heads' errors differ: ours / script {told}; nothing is told of time.", file=sys.stderr)
            return 1
        middle = {
            name: {key: statistics.median(run[key] for run in runs) for key in ("seconds", "bytes")}
            for name, runs in seen.items()
        }
        faster = middle["script"]["seconds"] / middle["ours"]["seconds"]
        smaller = middle["script"]["bytes"] / middle["ours"]["bytes"]
        cells = [f"{middle[name]['seconds']:.1f}" for name in seen]
        cells += [f"{middle[name]['bytes'] / 2**20:.0f}" for name in seen]
        rows.append([f"{faster:.1f}", f"{smaller:.1f}", TARGETS["memory"], str(prompts), *cells, told])
    titles = ["script / ours, time", "script / ours, memory", "target", "prompts", "ours s", "script s"]
    titles += ["ours MiB", "script MiB", "errors, ours / script"]
    text = f"{machine(arguments.threads)}; {Path(arguments.ckpt).name}, medians of {arguments.repeats}\n\n"
    text += markdown(titles, rows) + "\n"
    print(text)
    if arguments.out:
        arguments.out.write_text(text)
    return 0


def parse() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ckpt", default="checkpoints/mamba.pt", help="the checkpoint")
    parser.add_argument("--prompts", type=int, nargs="+", default=[8192, 32768], help="to fit on")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    parser.add_argument("--repeats", type=int, default=3, help="processes a median is taken over")
    parser.add_argument("--out", type=Path, help="also write the table to this file")
    parser.add_argument("--child", choices=("ours", "script"), help="what this process measures; set by the parent")
    return parser.parse_args()


def run_child(name: str, prompts: int, arguments: argparse.Namespace) -> dict[str, Any]:
    """Measures one of the two in a process of its own."""
    command = [sys.executable, __file__, "--child", name, "--ckpt", arguments.ckpt, "--prompts", str(prompts)]
    done = subprocess.run(
        [*command, "--threads", str(arguments.threads)], stdout=subprocess.PIPE, text=True, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def child(arguments: argparse.Namespace) -> dict[str, Any]:
    """Loads everything, then measures."""
    import torch

    torch.set_num_threads(arguments.threads)
    measure = {"ours": ours, "script": script}[arguments.child](arguments.ckpt, arguments.prompts[0])
    before, began = peak(), time.perf_counter()
    errors = measure()
    return {"seconds": time.perf_counter() - began, "bytes": peak() - before, "errors": errors}


def peak() -> int:
    """Returns the most bytes this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def ours(ckpt: str, prompts: int) -> Callable[[], Errors]:
    """Returns what runs `probe fit`."""
    from probe import FitConfig, fit, load_checkpoint

    found = load_checkpoint(ckpt)
    config = FitConfig(
        ckpt=(ckpt,), task=found.task, head=("linear",), context="all", prompts=prompts, score=SCORE, batch=BATCH
    )

    def measure() -> Errors:
        table = fit(config, ckpt=found).table
        grid = table[table["head"] == "linear"].pivot(index="layer", columns="context", values="error")
        result: Errors = grid.to_numpy().tolist()
        return result

    return measure


def script(ckpt: str, prompts: int) -> Callable[[], Errors]:
    """Returns what the script does."""
    import nnsight
    import numpy as np
    import torch
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from probe import load_checkpoint, make_task
    from probe.heads import PENALTIES
    from probe.randomness import PromptSource

    found = load_checkpoint(ckpt)
    task, blocks = make_task(found.task, found.dim), len(found.model.blocks)
    traced = nnsight.NNsight(found.model)

    def captured(purpose: str, count: int) -> tuple[Any, Any]:
        streams, targets = [], []
        for first in range(0, count, BATCH):
            numbers = range(first, min(first + BATCH, count))
            drawn = task.draw(PromptSource(0, purpose, numbers), found.context)
            with torch.no_grad(), traced.trace(drawn.inputs):
                layers = nnsight.save([])
                layers.append(traced.blocks[0].input)
                for block in range(blocks):
                    layers.append(traced.blocks[block].output)
            streams.append(torch.stack([layer[:, drawn.queries] for layer in layers]))
            targets.append(drawn.targets[..., 0])
        return torch.cat(streams, dim=1).numpy(), torch.cat(targets).numpy()

    def measure() -> Errors:
        stream, target = captured("fit", prompts)
        test_stream, test_target = captured("score", SCORE)
        errors: Errors = []
        for layer in range(blocks + 1):
            errors.append([])
            for context in range(stream.shape[2]):
                x, y = stream[layer, :, context], target[:, context]
                # ours are of standardised features, relative to the number of prompts
                scaled = RidgeCV([penalty * len(x) for penalty in PENALTIES])
                heads = make_pipeline(StandardScaler(), scaled).fit(x.astype(np.float64), y)
                missed = heads.predict(test_stream[layer, :, context]) - test_target[:, context]
                errors[-1].append(float((missed**2).sum() / (test_target[:, context] ** 2).sum()))
        return errors

    return measure


if __name__ == "__main__":
    sys.exit(main())
