"""How often the verdict and its criteria err, as measured on models of which it is known whether they iterate."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

REPORTED = "report"
"""The half of the models that no threshold was chosen on."""


@dataclass(frozen=True)
class Reliability:
    """How a criterion, or the verdict, judged models of known answer.

    Attributes:
        criterion: its name, or ``verdict``.
        iterating: how many models iterate.
        sensitivity: of these, the share of which it holds.
        wrongly_fails: the share of which it fails; what is left is undecided.
        impostors: how many models do not iterate.
        specificity: of these, the share of which it fails.
        wrongly_holds: the share of which it holds.
    """

    criterion: str
    iterating: int
    sensitivity: float
    wrongly_fails: float
    impostors: int
    specificity: float
    wrongly_holds: float


@cache
def reliability() -> tuple[Reliability, ...]:
    """Returns what was measured on the models that no threshold was chosen on, of every criterion and the verdict.

    A criterion that no model of one kind could be asked has no rate, and is left out.
    """
    text = files("probe.evidence").joinpath("reliability.csv").read_text(encoding="utf-8")
    rows = [row for row in csv.DictReader(io.StringIO(text)) if row["half"] == REPORTED]
    return tuple(
        Reliability(
            criterion=row["criterion"],
            iterating=int(row["iterating"]),
            sensitivity=float(row["sensitivity"]),
            wrongly_fails=float(row["wrongly_fails"]),
            impostors=int(row["impostors"]),
            specificity=float(row["specificity"]),
            wrongly_holds=float(row["wrongly_holds"]),
        )
        for row in rows
        if "" not in row.values()
    )
