"""Judges models of known answer again at other thresholds, from the numbers that analyses/verdict.py wrote.

A threshold is chosen on the one half of the models and reported on the other: what was chosen to suit a model says
nothing of how it would have judged that model unasked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import pandas as pd
from verdict import OUTCOMES, VERDICT, half, iterates, plain, rates

from probe.evidence.verdict import RULES, judge


@dataclass(frozen=True)
class Threshold:
    """A number that a criterion compares with, and what else it might be.

    Attributes:
        criterion: whose.
        module: of `probe.evidence.criteria`, in which it stands.
        constant: its name there.
        values: what is tried.
    """

    criterion: str
    module: str
    constant: str
    values: tuple[float, ...]

    @property
    def used(self) -> float:
        """The value in use."""
        found: float = getattr(import_module(f"probe.evidence.criteria.{self.module}"), self.constant)
        return found

    @contextmanager
    def at(self, value: float) -> Iterator[None]:
        """Lets criteria compare with another value for a while."""
        module, before = import_module(f"probe.evidence.criteria.{self.module}"), self.used
        setattr(module, self.constant, value)
        try:
            yield
        finally:
            setattr(module, self.constant, before)


THRESHOLDS: tuple[Threshold, ...] = (
    Threshold("gradual fall", "trend", "FALL", (1.01, 1.02, 1.05, 1.1, 1.15, 1.2, 1.3)),
    Threshold("gradual fall", "trend", "RISE", (1.05, 1.1, 1.25, 1.5, 2.0)),
    Threshold("gradual fall", "trend", "LARGEST_FALL", (0.5, 0.6, 0.7, 0.75, 0.8, 0.9)),
    Threshold("gradual fall", "trend", "FEWEST_STEPS", (2, 3, 4, 5)),
    Threshold("used by later blocks", "loop", "ACTS", (0.01, 0.02, 0.05, 0.1, 0.2)),
    Threshold("closed loop", "loop", "KEPT", (0.5, 0.7, 0.8, 0.9, 0.95, 0.98)),
    Threshold("closed loop", "loop", "ACTS", (0.01, 0.02, 0.05, 0.1, 0.2)),
    Threshold("closed loop", "loop", "SHARE", (0.25, 0.5, 0.75)),
    Threshold("closed loop", "loop", "FEWEST_STEPS", (1, 2, 3, 4)),
    Threshold("one map", "one_map", "LEFT", (0.1, 0.15, 0.25, 0.35, 0.5)),
    Threshold("one map", "one_map", "SHARE", (0.25, 0.5, 0.75)),
    Threshold("online learner", "online", "EXPLAINED", (0.1, 0.25, 0.4)),
    Threshold("online learner", "online", "FOLLOWED", (0.25, 0.5, 0.75)),
    Threshold("a named family", "family", "UNEXPLAINED", (0.1, 0.15, 0.25, 0.35, 0.5)),
)
"""Those that are tried, one at a time, with all others as they are."""


def swept(numbers: pd.DataFrame, thresholds: Sequence[Threshold] = THRESHOLDS) -> pd.DataFrame:
    """Returns the rates of a criterion, of its rung and of the verdict at every value of every threshold.

    Args:
        numbers: STEM-rows.csv of analyses/verdict.py.
    """
    models = {str(name): plain(rows) for name, rows in numbers.groupby("model", sort=False)}
    tables = []
    for threshold in thresholds:
        for value in dict.fromkeys(sorted((*threshold.values, threshold.used))):
            with threshold.at(value):
                found = rates(pd.DataFrame([one for name in models for one in _judged(name, models[name], threshold)]))
            tried = {"threshold": threshold.constant, "of": threshold.criterion, "value": value}
            tables.append(found.assign(**tried, used=value == threshold.used))
    table = pd.concat(tables, ignore_index=True)
    first = ["of", "threshold", "value", "used"]
    return table[[*first, *(column for column in table if column not in first)]]


def chosen(table: pd.DataFrame) -> pd.DataFrame:
    """Returns, for every threshold, the value that suits the one half best, and the verdict's rates on the other.

    Best is the largest sum of the verdict's sensitivity and specificity; among equals the one in use, or else the one
    nearest to it.
    """
    verdicts = table[table["criterion"] == VERDICT].copy()
    verdicts["right"] = verdicts["sensitivity"].fillna(0) + verdicts["specificity"].fillna(0)
    rows = []
    for (of, threshold), part in verdicts.groupby(["of", "threshold"], sort=False):
        used = float(part.loc[part["used"], "value"].iloc[0])
        tried = part[part["half"] == "choose"]
        best = tried[tried["right"] >= tried["right"].max() - 1e-9]
        value = float(best.loc[(best["value"] - used).abs().idxmin(), "value"])
        kept = part[(part["half"] == "report") & (part["value"] == value)]
        for told in kept.to_dict("records"):
            shares = {key: told[key] for key in ("sensitivity", "wrongly_fails", "specificity", "wrongly_holds")}
            rows.append({"of": of, "threshold": threshold, "used": used, "chosen": value} | shares)
    return pd.DataFrame(rows)


def _judged(name: str, rows: list[dict[str, Any]], threshold: Threshold) -> list[dict[str, Any]]:
    found = judge(rows, {})
    rung = next(rule.rung for rule in RULES if rule.name == threshold.criterion)
    own = next(one for one in found.criteria if one.name == threshold.criterion)
    model = {"model": name, "half": half(name), "iterates": iterates(name), "tested": True}
    return [
        model | {"criterion": own.name, "outcome": own.outcome, "tested": own.tested},
        model | {"criterion": f"rung: {rung}", "outcome": found.of(rung)},
        model | {"criterion": VERDICT, "outcome": OUTCOMES[found.outcome]},
    ]
