"""What a criterion is: a question with a threshold, asked of one kind of evidence, and what it amounts to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from probe.evidence.criteria.judging import Judged, Outcome, Row

Rung = Literal["decodable", "used", "closed loop", "one map", "named family", "over time", "shown"]
"""What a criterion is needed for. ``over time`` is a way to iterate of its own, ``shown`` decides nothing."""


@dataclass(frozen=True)
class Rule:
    """How one criterion is judged.

    Attributes:
        evidence: the kind of the rows that it is judged from.
        rung: what it is needed for.
        excludes: the alternative that is excluded where it holds.
        test: returns the outcome from the rows of that evidence, or raises `LookupError` where the ones it needs are
            not there.
        absent: why there may be nothing to judge.
    """

    name: str
    evidence: str
    rung: Rung
    question: str
    threshold: str
    excludes: str
    test: Callable[[list[Row]], Judged]
    absent: str = "The evidence was not gathered."


@dataclass(frozen=True)
class Criterion:
    """One question, what would be needed, what was seen, and the outcome.

    Attributes:
        rung: what it is needed for.
        excludes: the alternative that is excluded where it holds.
        tested: whether there was evidence to judge; without, the outcome is undecided and ``seen`` says why.
    """

    name: str
    rung: Rung
    question: str
    threshold: str
    excludes: str
    seen: str
    outcome: Outcome
    tested: bool = True


def told_outcome(criterion: Criterion) -> str:
    """Returns the outcome in words: that of what was not tested is no outcome."""
    return criterion.outcome if criterion.tested else "not tested"
