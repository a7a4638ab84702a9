"""Measures how often the verdict of `probe claim` errs, on models of which it is known whether they iterate.

    python analyses/verdict.py [--only gradient reveal ...] [--prompts 512] [--score 256] [--asked 64] [--processes 2]
                               [--skip matching ...] [--out STEM] [--resume]

The models are those of `probe.models.planted.KNOWN` and of analyses/known_trained.py, on the task linear. STEM.csv has
an outcome a row, of every criterion, every rung and the verdict, STEM-rates.csv what they amount to, and STEM-rows.csv
the numbers that criteria were judged from, with which analyses/thresholds.py judges them again at other thresholds. All
are written anew after every model; --resume keeps what they hold. One half of the models, by a hash of their names,
is for choosing thresholds; the other is kept aside to report on.

Of the models that iterate, the sensitivity is the share of which a criterion holds; of those that do not, the
specificity is the share of which it fails. What is undecided counts as neither, and what was not tested is left out.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import known_trained
import pandas as pd
import torch
from known_trained import TRAINED

import probe
from probe import Record
from probe.capture import NativeModel
from probe.checkpoints import Checkpoint, from_model
from probe.evidence.criteria.judging import Outcome, Row
from probe.evidence.verdict import RULES, RUNGS, Rule, judge
from probe.models.controls import known_model
from probe.models.planted import KNOWN

TASK, CONTEXT = "linear", 15
VERDICT, OVER_TIME = "verdict", "over time"
COLUMNS = ["model", "iterates", "half", "prompts", "score", "asked", "criterion", "outcome", "tested", "seen"]
"""Of these prompts, score and asked are settings of the claim: prompts to fit heads on, to measure on, to match on."""
NUMBERS = ("value", "low", "high")
WHERE = ("evidence", "site", "head", "layer", "other_layer", "step", "context", "metric")
JUDGED = ["model", *WHERE, *NUMBERS]
DIGITS = 4
"""Significant digits of the numbers that are kept."""
OUTCOMES: Mapping[str, Outcome] = {"supported": "holds", "not supported": "fails", "undecided": "undecided"}
NAMES = (*KNOWN, *TRAINED)


@dataclass(frozen=True)
class Examined:
    """What was found of one model.

    Attributes:
        outcomes: a row for each criterion, each rung and the verdict.
        judged: the rows whose numbers a criterion reads.
        seconds: how long it took.
    """

    outcomes: list[dict[str, Any]]
    judged: list[dict[str, Any]]
    seconds: float


class _Read(dict[str, Any]):
    """A row that knows whether one of its numbers, or its step, was read."""

    read = False

    def __getitem__(self, key: str) -> Any:
        self.read = self.read or key in (*NUMBERS, "step")
        return super().__getitem__(key)


def half(name: str) -> str:
    """Returns what a model is for: ``choose`` thresholds, or kept aside to ``report`` on."""
    return "report" if hashlib.sha256(name.encode()).digest()[0] % 2 else "choose"


def iterates(name: str) -> bool:
    """Returns whether a known model iterates."""
    return KNOWN[name].iterates if name in KNOWN else TRAINED[name].iterates


def checkpoint(name: str) -> Checkpoint:
    """Returns a known model as every command takes it."""
    if name in TRAINED:
        return known_trained.checkpoint(name)
    about = {"arch": name, "seed": 0, "step": 0, "command": "python analyses/verdict.py"}
    return from_model(NativeModel(known_model(name)), name, TASK, context=CONTEXT, description=about)


def outcomes(name: str, found: Record) -> list[dict[str, Any]]:
    """Returns a row for each criterion of a record of a claim, for each rung, and one for the verdict."""
    told = found.provenance
    criteria: list[dict[str, Any]] = [dict(one) for one in told["criteria"]]
    again = judge(plain(found.table), told["not_tested"])
    criteria += [
        {"name": f"rung: {rung}", "outcome": again.of(rung), "tested": True, "seen": says}
        for rung, says in ({**RUNGS, OVER_TIME: "an answer is improved from token to token"}).items()
    ]
    criteria.append({"name": VERDICT, "outcome": OUTCOMES[told["outcome"]], "tested": True, "seen": told["verdict"]})
    model = {"model": name, "iterates": iterates(name), "half": half(name)}
    model |= {size: told["config"][size] for size in ("prompts", "score", "asked")}
    return [
        model | {"criterion": one["name"], "outcome": one["outcome"], "tested": one["tested"], "seen": one["seen"]}
        for one in criteria
    ]


def judged(name: str, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Returns those rows of a claim that a criterion needs that decides something: whose numbers it reads, or all."""
    watched = [_Read(row) for row in rows]
    kept: set[int] = set()
    for rule in RULES:
        own = [row for row in watched if dict.get(row, "evidence") == rule.evidence]
        if rule.rung == "shown" or not own:
            continue
        whole = _outcome(rule, own)
        read = [row for row in own if row.read]
        # a criterion may ask whether a row is there, and not what it says
        kept |= {id(row) for row in (read if _outcome(rule, read) == whole else own)}
    return [
        {"model": name} | {key: row[key] for key in WHERE} | {key: _short(row[key]) for key in NUMBERS}
        for row in watched
        if id(row) in kept
    ]


def _outcome(rule: Rule, rows: list[Any]) -> Outcome | None:
    """Returns what a criterion makes of rows, or None where what it needs is not among them."""
    try:
        return rule.test(rows)[0]
    except (LookupError, ValueError):
        return None


def plain(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Returns a table's rows as criteria take them: None where nothing stands, whole numbers as such."""
    rows: list[dict[str, Any]] = table.astype(object).where(table.notna(), None).to_dict("records")  # type: ignore[assignment]
    for row in rows:
        for key in ("layer", "other_layer", "step", "context"):
            row[key] = None if row[key] is None else int(row[key])
        # a number that could not be had is nan, and not nothing
        row["value"] = float("nan") if row["value"] is None else row["value"]
    return rows


def rates(table: pd.DataFrame) -> pd.DataFrame:
    """Returns how often each criterion is right, by half and over both."""
    tested = table[table["tested"].astype(bool)]
    groups = [*tested.groupby("half"), ("both", tested)]
    return pd.DataFrame(
        [
            {"half": name, "criterion": criterion} | _rates(rows)
            for name, part in groups
            for criterion, rows in part.groupby("criterion", sort=False)
        ]
    )


def _rates(rows: pd.DataFrame) -> dict[str, Any]:
    yes, no = (rows[rows["iterates"].astype(bool) == which]["outcome"] for which in (True, False))
    return {
        "iterating": len(yes),
        "sensitivity": _share(yes, "holds"),
        "wrongly_fails": _share(yes, "fails"),
        "impostors": len(no),
        "specificity": _share(no, "fails"),
        "wrongly_holds": _share(no, "holds"),
    }


def _share(outcomes: pd.Series[str], which: str) -> float:
    return float((outcomes == which).mean()) if len(outcomes) else float("nan")


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.{DIGITS}g}")


def examine(name: str, sizes: Mapping[str, Any]) -> Examined:
    """Returns what a claim on one model finds."""
    start = time.perf_counter()
    found = probe.claim(ckpt=checkpoint(name), task=TASK, **sizes)
    rows = judged(name, plain(found.table))
    return Examined(outcomes(name, found), rows, time.perf_counter() - start)


def examined(names: Sequence[str], sizes: Mapping[str, Any], processes: int) -> Iterator[tuple[str, Examined]]:
    """Returns what is found of every model, so many at a time, as each is done."""
    if processes == 1:
        yield from ((name, examine(name, sizes)) for name in names)
        return
    # threads of torch do not survive a fork
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, torch.set_num_threads, (1,)) as pool:
        running = {pool.submit(examine, name, sizes): name for name in names}
        yield from ((running[done], done.result()) for done in as_completed(running))


def write(rows: Iterable[dict[str, Any]], numbers: Iterable[dict[str, Any]], out: str) -> pd.DataFrame:
    """Writes outcomes, their rates and the judged numbers, models in their order, and returns the rates."""
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    for found, columns, ending in ((rows, COLUMNS, ""), (numbers, JUDGED, "-rows")):
        table = pd.DataFrame(list(found), columns=columns)
        table = table.sort_values("model", key=lambda names: names.map(NAMES.index), kind="stable")
        table.to_csv(f"{out}{ending}.csv", index=False)
    told = rates(pd.read_csv(f"{out}.csv"))
    told.to_csv(f"{out}-rates.csv", index=False)
    return told


def main(arguments: Sequence[str] | None = None) -> None:
    """Examines the models named, or all, and prints an outcome a line and the rates."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=list(NAMES), choices=list(NAMES), metavar="NAME")
    for option, count in (("--prompts", 512), ("--score", 256), ("--asked", 64), ("--processes", 1)):
        parser.add_argument(option, type=int, default=count)
    parser.add_argument("--skip", nargs="+", default=[])
    parser.add_argument("--out", default="runs/verdict")
    parser.add_argument("--resume", action="store_true")
    given = parser.parse_args(arguments)
    sizes = {"prompts": given.prompts, "score": given.score, "asked": given.asked, "skip": tuple(given.skip)}
    rows: list[dict[str, Any]] = []
    numbers: list[dict[str, Any]] = []
    if given.resume and Path(f"{given.out}.csv").is_file():
        rows = pd.read_csv(f"{given.out}.csv").to_dict("records")  # type: ignore[assignment]
        numbers = pd.read_csv(f"{given.out}-rows.csv").to_dict("records")  # type: ignore[assignment]
    left = [name for name in given.only if name not in {row["model"] for row in rows} and _is_there(name)]
    for name, found in examined(left, sizes, given.processes):
        rows += found.outcomes
        numbers += found.judged
        print(f"{name} ({'iterates' if iterates(name) else 'does not'}, {found.seconds:.0f} s)")
        for one in found.outcomes:
            print(f"    {one['outcome'] if one['tested'] else '-':10} {one['criterion']}: {one['seen']}", flush=True)
        write(rows, numbers, given.out)
    print(rates(pd.DataFrame(rows)).to_string(index=False, float_format="%.2f"))


def _is_there(name: str) -> bool:
    there = name in KNOWN or TRAINED[name].untrained is not None or (known_trained.FOLDER / f"{name}.pt").is_file()
    if not there:
        print(f"{name} is left out, since checkpoints/ does not hold it")
    return there


if __name__ == "__main__":
    main()
