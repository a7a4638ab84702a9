"""Tries rates: every architecture of a group of trainings on one grid, by runs of a tenth to a fifth of their length.

    python analyses/rates.py [GROUP ...] [--only ARCHITECTURE ...]
    python analyses/rates.py skewed --plan runs/alike.csv
    probe sweep runs/alike.csv --out runs/alike --jobs 2
    python analyses/rates.py linear --plan runs/sizes.csv --widths 32 64 128 --seeds 0

Three rates are tried; while the best is at an edge of those tried, one beyond it is, up to `WIDEST` either way. Every
run's error, at the largest context on the prompts that `probe train` ends with, is added to analyses/rates.csv as it
ends, and what stands there is not run again. The table in docs/checkpoints.md is written from it: the best rate of an
architecture is bold, and marked where it is at an edge still. `--plan` writes the trainings that follow from it, for
`probe sweep`: every architecture at its best rate, three seeds, and all else equal.
"""

from __future__ import annotations

import argparse
import csv
import re
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import probe
from probe.errors import ProbeError

FILE, PAGE, INDEX = Path("analyses/rates.csv"), Path("docs/checkpoints.md"), Path("checkpoints/index.toml")
COLUMNS = ("group", "architecture", "rate", "steps", "seed", "error")
GRID = (1e-3, 2e-3, 4e-3)
SEEDS = (0, 1, 2)
PLATEAU = 0.9
"""Where all runs end above, none has begun to learn, and they do not tell rates apart."""
WIDEST = (1.25e-4, 3.2e-2)
MARKS = re.compile(r"(<!-- rates -->\n)(.*?)(<!-- end of rates -->)", re.DOTALL)
DIVERGED = float("inf")


@dataclass(frozen=True)
class Group:
    """Trainings whose rates are chosen together.

    Args:
        context: examples before the last query.
        steps: of a run.
        trained: steps of the trainings themselves.
        batch: prompts a step.
        width: of the streams; the laptop's where it is 0.
    """

    task: str
    dim: int
    context: int
    steps: int
    trained: int
    architectures: tuple[str, ...]
    batch: int = 64
    width: int = 0

    @property
    def title(self) -> str:
        """What the page calls them."""
        return f"{self.task}, {self.dim} dimensions, {self.context} examples" + f", width {self.width}" * (
            self.width > 0
        )


# what an architecture is to `probe.train`, where it is not one of its names alone
KINDS: dict[str, Mapping[str, Any]] = {
    "transformer without positions": {"arch": "transformer", "positions": "none"},
    "without convolution": {"layout": "M[conv=off]8"},
    "without gate": {"layout": "M[gate=off]11"},
    "constant delta": {"layout": "M[delta=constant]8"},
    "constant B": {"layout": "M[B=constant]8"},
    "constant C": {"layout": "M[C=constant]8"},
}
PAIR = ("mamba", "transformer without positions")
THREE = (*PAIR, "mambaformer")
GROUPS = {
    "skewed": Group(
        "skewed_linear",
        5,
        15,
        400,
        2_000,
        (
            *THREE,
            *("transformer", "s4", "s4_mamba", "rwkv4", "gated_deltanet", "standard_hybrid"),
            *("mamba_without_selection", "without convolution", "without gate"),
            *("constant delta", "constant B", "constant C"),
            *("mamba2", "rwkv7", "linear_attention", "deltanet", "hybrid", "lstm"),
        ),
    ),
    # after 400 steps they have not begun to learn
    "skewed-whole": Group("skewed_linear", 5, 15, 2_000, 2_000, ("transformer without positions", "transformer")),
    # of the trainings of three sizes, at the laptop's width
    "linear": Group("linear", 5, 15, 800, 4_000, ("mamba", "mambaformer")),
    "linear-whole": Group("linear", 5, 15, 4_000, 4_000, ("transformer",)),
    # whole trainings of other sizes: at the rate that is best at the laptop's width, and that times 64 over the width
    "linear-32": Group("linear", 5, 15, 4_000, 4_000, ("mamba", "mambaformer", "transformer"), width=32),
    "linear-128": Group("linear", 5, 15, 4_000, 4_000, ("mamba", "mambaformer", "transformer"), width=128),
    # after 400 steps they have not begun to learn
    "outliers": Group("many_outlier", 5, 63, 4_000, 4_000, ("mamba", "mambaformer", "transformer"), batch=32),
    "skewed-20": Group("skewed_linear", 20, 40, 800, 8_000, (*THREE, "s4")),
    "noisy-10": Group("skewed_linear:noise=0.5", 10, 30, 300, 3_000, (*PAIR, "gated_deltanet")),
    "sparse": Group("sparse_linear", 10, 20, 400, 4_000, THREE),
    "relu": Group("relu_network", 5, 40, 400, 4_000, THREE),
    "tree": Group("decision_tree", 5, 40, 400, 4_000, THREE),
}


def tried(group: str, architecture: str) -> dict[float, float]:
    """Returns the errors of the runs that the file holds, by rate."""
    if not FILE.is_file():
        return {}
    with FILE.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if (row["group"], row["architecture"]) == (group, architecture)]
    return {float(row["rate"]): float(row["error"]) for row in sorted(rows, key=lambda row: float(row["rate"]))}


def following(errors: Mapping[float, float]) -> float | None:
    """Returns the rate to be tried next, or None where the best lies within those tried or no further one may be."""
    for rate in GRID:
        if rate not in errors:
            return rate
    best = min(errors, key=lambda rate: errors[rate])
    for edge, beyond in ((max(errors), max(errors) * 2), (min(errors), min(errors) / 2)):
        if best == edge and WIDEST[0] <= beyond <= WIDEST[1]:
            return beyond
    return None


def recipe(group: Group, steps: int) -> dict[str, Any]:
    """Returns what is equal for all trainings of a group: a tenth of them is warm-up, and none has a curriculum."""
    size = {"dim": group.dim, "context": group.context, "steps": steps, "batch": group.batch, "warmup": steps // 10}
    width = {"width": group.width} if group.width else {}
    return {"task": group.task, **size, **width, "curriculum": False}


def plan(name: str, seeds: Sequence[int] = SEEDS, widths: Sequence[int] = ()) -> list[dict[str, str]]:
    """Returns the trainings of a group for `probe sweep`, of the architectures whose best rate is known.

    Args:
        widths: of the streams; the laptop's alone unless given, at whose width the rates were tried.
    """
    group, rows = GROUPS[name], []
    for architecture in group.architectures:
        errors = tried(name, architecture)
        if not errors or following(errors) is not None or min(errors.values()) > PLATEAU:
            continue
        kind = KINDS.get(architecture, {"arch": architecture})
        best = min(errors, key=lambda rate: errors[rate])
        for seed, width in product(seeds, widths or ("",)):
            settings = recipe(group, group.trained) | {
                "lr": f"{best:g}",
                "seed": seed,
                "width": width or group.width or "",
                "threads": 1,
            }
            row = {"arch": "", "layout": "", "positions": ""} | kind | settings
            rows.append({column: str(value).lower() if value is False else str(value) for column, value in row.items()})
    return rows


def run(group: Group, architecture: str, rate: float) -> float:
    """Returns the error that a run ends with at its last query, infinite where it diverged."""
    kind = KINDS.get(architecture, {"arch": architecture})
    with tempfile.TemporaryDirectory() as folder:
        try:
            probe.train(out=f"{folder}/run.pt", lr=rate, threads=1, **recipe(group, group.steps), **kind)
        except ProbeError as error:
            if "diverged" not in str(error):
                raise
            return DIVERGED
        return float(probe.load_checkpoint(f"{folder}/run.pt").description["errors"][-1])


def add(row: Sequence[object]) -> None:
    """Adds a row to the file."""
    new = not FILE.is_file()
    with FILE.open("a", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if new:
            writer.writerow(COLUMNS)
        writer.writerow(row)


def used(group: Group, architecture: str, index: Mapping[str, Mapping[str, Any]]) -> str:
    """Returns the rates that shipped checkpoints of an architecture at the laptop's width were trained at."""
    if group.width:
        return ""
    kind = KINDS.get(architecture, {"arch": architecture})
    name, bare = kind.get("arch", kind.get("layout")), kind.get("positions") == "none"
    rates = {
        one["rate"]
        for one in index.values()
        if (one["task"], one["dim"], one["context"], one["arch"]) == (group.task, group.dim, group.context, name)
        and (architecture != "transformer" or one.get("positions", "learned") == "learned")
        and (not bare or one.get("positions") == "none")
    }
    return ", ".join(f"{rate:g}" for rate in sorted(rates))


def markdown(index: Mapping[str, Mapping[str, Any]]) -> str:
    """Returns the page's table: a row a group and architecture that was tried, a column a rate.

    Args:
        index: what checkpoints/index.toml holds, of which the last column is.
    """
    found = {
        (name, architecture): errors
        for name, group in GROUPS.items()
        for architecture in group.architectures
        if (errors := tried(name, architecture))
    }
    rates = sorted({rate for errors in found.values() for rate in errors})
    titles = ["trainings", "architecture", *(f"{rate:g}" for rate in rates), "rate of the checkpoints"]
    lines = [titles, ["---"] * len(titles)]
    for (name, architecture), errors in found.items():
        best = min(errors, key=lambda rate: errors[rate])
        edge = best in (min(errors), max(errors))
        cells = [cell(errors.get(rate), rate == best, edge, decimals=3) for rate in rates]
        lines.append([GROUPS[name].title, architecture, *cells, used(GROUPS[name], architecture, index)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def cell(error: float | None, best: bool, edge: bool, decimals: int) -> str:
    """Returns how a table shows an error: the best in bold, and told if at an edge; nothing of what was not run."""
    if error is None:
        return ""
    text = "diverged" if error == DIVERGED else f"{error:.{decimals}f}"
    return f"**{text}**{' (edge)' if edge else ''}" if best else text


def main() -> None:
    """Runs what is asked for and not known yet, and writes the page's table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=f"{', '.join(GROUPS)}; all unless given")
    parser.add_argument("--only", nargs="+", metavar="ARCHITECTURE")
    parser.add_argument("--plan", metavar="FILE.csv", help="write a group's trainings, run nothing")
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS, help="of the trainings that are planned")
    parser.add_argument("--widths", type=int, nargs="+", default=(), help="likewise; the laptop's unless given")
    asked = parser.parse_args()
    if asked.plan:
        rows = plan(asked.groups[0], asked.seeds, asked.widths)
        with Path(asked.plan).open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        return
    for name, group in GROUPS.items():
        if asked.groups and name not in asked.groups:
            continue
        for architecture in group.architectures:
            if asked.only and architecture not in asked.only:
                continue
            while (rate := following(tried(name, architecture))) is not None:
                error = run(group, architecture, rate)
                add((name, architecture, f"{rate:g}", group.steps, 0, f"{error:.4f}"))
                print(name, architecture, f"{rate:g}", f"{error:.4f}", flush=True)
    if MARKS.search(text := PAGE.read_text(encoding="utf-8")):
        index = tomllib.loads(INDEX.read_text(encoding="utf-8"))
        PAGE.write_text(MARKS.sub(lambda marks: f"{marks[1]}{markdown(index)}{marks[3]}", text), encoding="utf-8")


if __name__ == "__main__":
    main()
