"""Measures how often the verdict of `probe claim` errs, on models of which it is known whether they iterate.

    python analyses/verdict.py [--only gradient reveal ...] [--prompts 512] [--score 256] [--asked 64] [--out STEM]

Every model of `probe.models.planted.KNOWN` is examined on the task linear. STEM.csv holds an outcome a row, of every
criterion and of the verdict, and STEM-rates.csv what they amount to, both written anew after every model. One half of
the models, by a hash of their names, is for choosing thresholds; the other is kept aside to report on.

Of the models that iterate, the sensitivity is the share of which a criterion holds; of those that do not, the
specificity is the share of which it fails. What is undecided counts as neither, and what was not tested is left out.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

import probe
from probe import Record
from probe.capture import NativeModel
from probe.checkpoints import Checkpoint, from_model
from probe.models.controls import known_model
from probe.models.planted import KNOWN

TASK, CONTEXT = "linear", 15
VERDICT = "verdict"
COLUMNS = ["model", "iterates", "half", "criterion", "outcome", "tested", "seen"]


def half(name: str) -> str:
    """Returns what a model is for: ``choose`` thresholds, or kept aside to ``report`` on."""
    return "report" if hashlib.sha256(name.encode()).digest()[0] % 2 else "choose"


def checkpoint(name: str) -> Checkpoint:
    """Returns a known model as every command takes it."""
    about = {"arch": name, "seed": 0, "step": 0, "command": "python analyses/verdict.py"}
    return from_model(NativeModel(known_model(name)), name, TASK, context=CONTEXT, description=about)


def outcomes(name: str, found: Record) -> list[dict[str, Any]]:
    """Returns a row for each criterion of a record of a claim, and one for the verdict."""
    told = found.provenance
    criteria: list[dict[str, Any]] = [dict(one) for one in told["criteria"]]
    failed = any(one["tested"] and one["outcome"] == "fails" for one in criteria)
    outcome = "holds" if told["supported"] else "fails" if failed else "undecided"
    criteria.append({"name": VERDICT, "outcome": outcome, "tested": True, "seen": told["verdict"]})
    model = {"model": name, "iterates": KNOWN[name].iterates, "half": half(name)}
    return [
        model | {"criterion": one["name"], "outcome": one["outcome"], "tested": one["tested"], "seen": one["seen"]}
        for one in criteria
    ]


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


def write(rows: Iterable[dict[str, Any]], out: str) -> pd.DataFrame:
    """Writes the outcomes and their rates, and returns the rates."""
    table = pd.DataFrame(list(rows), columns=COLUMNS)
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(f"{out}.csv", index=False)
    found = rates(table)
    found.to_csv(f"{out}-rates.csv", index=False)
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Examines the models named, or all, and prints an outcome a line and the rates."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=list(KNOWN), choices=list(KNOWN), metavar="NAME")
    for option, count in (("--prompts", 512), ("--score", 256), ("--asked", 64)):
        parser.add_argument(option, type=int, default=count)
    parser.add_argument("--skip", nargs="+", default=[])
    parser.add_argument("--out", default="runs/verdict")
    given = parser.parse_args(arguments)
    sizes = {"prompts": given.prompts, "score": given.score, "asked": given.asked, "skip": tuple(given.skip)}
    rows: list[dict[str, Any]] = []
    for name in given.only:
        start = time.perf_counter()
        found = outcomes(name, probe.claim(ckpt=checkpoint(name), task=TASK, **sizes))
        rows += found
        print(f"{name} ({'iterates' if KNOWN[name].iterates else 'does not'}, {time.perf_counter() - start:.0f} s)")
        for one in found:
            print(f"    {one['outcome'] if one['tested'] else '-':10} {one['criterion']}: {one['seen']}", flush=True)
        write(rows, given.out)
    print(rates(pd.DataFrame(rows)).to_string(index=False, float_format="%.2f"))


if __name__ == "__main__":
    main()
