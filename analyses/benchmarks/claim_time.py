"""Times `probe claim`, kind by kind of evidence, beside an older version of the project.

    python analyses/benchmarks/claim_time.py --old CHECKOUT [--ckpt FILE] [--prompts 8192] [--score 2048] [--repeats 1]

Both versions run the whole claim in processes of their own, in turns, each with as many threads as torch takes unless
`--threads` says otherwise. The second column is the time of this version over that of the older one, of medians; before
it is written, both must have judged every criterion alike, and the largest difference of any number in their records
is told. Without `--old` this version is timed alone.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pandas as pd
from report import machine, markdown

HERE = Path(__file__).resolve().parents[2]
NUMBERS = ["value", "low", "high"]
BEFORE = "heads, and loading"


def main() -> int:
    """Runs both versions in turns and prints the table; returns the exit code."""
    arguments = parse()
    if arguments.into:
        measure(arguments)
        return 0
    trees = {"new": HERE} | ({"old": arguments.old.resolve()} if arguments.old else {})
    seconds: dict[str, list[dict[str, float]]] = {version: [] for version in trees}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(arguments.repeats):
            for version, tree in trees.items():
                seconds[version].append(run(tree, Path(folder) / version, arguments))
        said = compared(Path(folder)) if "old" in trees else ""
    if said is None:
        print("The versions judge differently; nothing is told of their time.", file=sys.stderr)
        return 1
    sizes = (
        f"{Path(arguments.ckpt).stem}, {arguments.prompts} prompts, {arguments.score} scored, {arguments.asked} asked"
    )
    text = f"{machine(arguments.threads)}; {sizes}, {arguments.repeats} runs each{said}\n\n{table(seconds)}\n"
    print(text)
    if arguments.out:
        arguments.out.write_text(text)
    return 0


def parse() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--old", type=Path, help="a checkout of the version to compare with")
    parser.add_argument("--ckpt", default=str(HERE / "checkpoints" / "mamba.pt"), help="the model")
    parser.add_argument("--task", default="linear", help="the task")
    parser.add_argument("--prompts", type=int, default=8192, help="that heads are fitted on")
    parser.add_argument("--score", type=int, default=2048, help="that are scored")
    parser.add_argument("--asked", type=int, default=256, help="on which algorithms are compared")
    parser.add_argument("--skip", nargs="*", default=[], help="kinds of evidence to leave out")
    parser.add_argument("--threads", type=int, help="CPU threads")
    parser.add_argument("--repeats", type=int, default=1, help="runs a median is taken over")
    parser.add_argument("--out", type=Path, help="also write the table to this file")
    parser.add_argument("--into", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def run(tree: Path, into: Path, arguments: argparse.Namespace) -> dict[str, float]:
    """Runs one version in a process of its own, and returns its seconds by kind of evidence."""
    names = ("ckpt", "task", "prompts", "score", "asked")
    given = [part for name in names for part in (f"--{name}", str(getattr(arguments, name)))]
    given += ["--skip", *arguments.skip] + (["--threads", str(arguments.threads)] if arguments.threads else [])
    environment = os.environ | {"PYTHONPATH": str(tree)}
    subprocess.run([sys.executable, __file__, *given, "--into", str(into)], check=True, env=environment)
    found: dict[str, float] = json.loads(into.with_suffix(".seconds").read_text())
    return found


def measure(arguments: argparse.Namespace) -> None:
    """Runs the claim of the version that is imported, and writes its record and its seconds."""
    import torch

    import probe  # sets how threads wait, before torch is loaded
    from probe.commands import claim

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    seconds: dict[str, float] = {}
    for name, stage in list(claim.STAGES.items()):
        claim.STAGES[name] = clocked(name, stage, seconds)
    began = time.perf_counter()
    sizes = {name: getattr(arguments, name) for name in ("prompts", "score", "asked")}
    result = probe.claim(ckpt=arguments.ckpt, task=arguments.task, skip=arguments.skip, **sizes)
    whole = time.perf_counter() - began
    seconds = {BEFORE: whole - sum(seconds.values())} | seconds | {"all": whole}
    result.table.to_csv(arguments.into.with_suffix(".csv"), index=False)
    outcomes = {one["name"]: one["outcome"] for one in result.criteria}
    arguments.into.with_suffix(".outcomes").write_text(json.dumps(outcomes))
    arguments.into.with_suffix(".seconds").write_text(json.dumps(seconds))


def clocked(name: str, stage: Callable[..., Iterable[Any]], seconds: dict[str, float]) -> Callable[..., list[Any]]:
    """Returns a stage that notes how long it took, also where it does not apply."""

    def timed(*given: Any) -> list[Any]:
        began = time.perf_counter()
        try:
            return list(stage(*given))
        finally:
            seconds[name] = time.perf_counter() - began

    return timed


def compared(folder: Path) -> str | None:
    """Returns by how much the two records differ, in words; None where a criterion is judged otherwise."""
    outcomes = [json.loads((folder / f"{version}.outcomes").read_text()) for version in ("old", "new")]
    old, new = (pd.read_csv(folder / f"{version}.csv") for version in ("old", "new"))
    if outcomes[0] != outcomes[1] or len(old) != len(new):
        return None
    apart = (old[NUMBERS] - new[NUMBERS]).abs()
    rows = int((apart > 0).any(axis=1).sum())
    kinds = ", ".join(dict.fromkeys(old["evidence"][(apart > 0).any(axis=1)]))
    where = f" ({kinds})" if rows else ""
    return f"; {rows:,} of {len(old):,} rows differ{where}, by {apart.max().max():.1e} at most"


def table(seconds: dict[str, list[dict[str, float]]]) -> str:
    """Returns the seconds of both versions by kind of evidence, their ratio, and what the kind takes of all."""
    median = {
        version: {name: statistics.median(one[name] for one in runs) for name in runs[0]}
        for version, runs in seconds.items()
    }
    new, old = median["new"], median.get("old")
    rows = []
    for name, took in new.items():
        row = [name, f"{took / old[name]:.2f}" if old and old[name] >= 0.05 else "", f"{took:.1f}"]
        rows.append([*row, f"{old[name]:.1f}" if old else "", f"{100 * took / new['all']:.0f}"])
    return markdown(["kind of evidence", "new / old", "new s", "old s", "% of new"], rows)


if __name__ == "__main__":
    sys.exit(main())
