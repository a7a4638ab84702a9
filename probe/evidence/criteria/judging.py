"""How a number with its band is laid beside a threshold: it holds, it fails, or it is undecided."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import isnan
from typing import Any, Literal

Row = Mapping[str, Any]
Outcome = Literal["holds", "fails", "undecided"]
Judged = tuple[Outcome, str]
"""An outcome, and in words what was seen."""


def pick(rows: Sequence[Row], **wanted: str | int | None) -> list[Row]:
    """Returns the rows with these columns.

    Raises:
        LookupError: if there is none.
    """
    found = [row for row in rows if all(row[column] == value for column, value in wanted.items())]
    if not found:
        raise LookupError(
            f"There is no evidence with {', '.join(f'{name} {value}' for name, value in wanted.items())}."
        )
    return found


def end(row: Row, which: Literal["low", "high"]) -> float:
    """Returns an end of a row's band; nan, which no comparison holds of, where it has none."""
    return float("nan") if row[which] is None else float(row[which])


def at_most(row: Row, most: float) -> Outcome:
    """Returns whether the whole band lies at or below a threshold."""
    return decided(end(row, "high") <= most, end(row, "low") > most)


def at_least(row: Row, least: float) -> Outcome:
    """Returns whether the whole band lies at or above a threshold."""
    return decided(end(row, "low") >= least, end(row, "high") < least)


def decided(holds: bool, fails: bool) -> Outcome:
    """Returns the outcome of a condition that surely holds, or surely fails, or neither."""
    return "holds" if holds else "fails" if fails else "undecided"


def every(outcomes: Iterable[Outcome]) -> Outcome:
    """Returns the outcome of several conditions of which all are needed."""
    found = set(outcomes)
    return "fails" if "fails" in found else "undecided" if "undecided" in found else "holds"


def either(outcomes: Iterable[Outcome]) -> Outcome:
    """Returns the outcome of several conditions of which one is enough."""
    found = set(outcomes)
    return "holds" if "holds" in found else "undecided" if "undecided" in found else "fails"


def enough(surely: int, possibly: int, needed: float | int) -> Outcome:
    """Returns whether enough of several hold, from how many surely do and how many may."""
    return decided(surely >= needed, possibly < needed)


def band(row: Row, digits: int = 2) -> str:
    """Returns a number with its band in words."""
    value, low, high = row["value"], end(row, "low"), end(row, "high")
    if isnan(low) or isnan(high):
        return f"{value:.{digits}f} (no band)"
    return f"{value:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"
