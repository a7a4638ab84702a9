"""Whether what heads read acts on the model's answer."""

from __future__ import annotations

from probe.evidence.criteria.judging import Judged, Row, band, end, enough, pick
from probe.evidence.criteria.rule import Rule

SHARE = 0.5
"""The share of layers at which an effect must be there."""
MOVED = 0.02
"""The slope of the final answer's shift on the head's, above which what a layer answers is used: later steps of an
iterative algorithm take back most of what was put in early."""


def _used(rows: list[Row]) -> Judged:
    slopes = pick(rows, site="stream", head="linear", metric="slope")
    last = max(int(row["layer"]) for row in slopes)
    between = [row for row in slopes if 0 < row["layer"] < last]
    if not between:
        raise LookupError("There is no layer between the first and the last.")
    surely = sum(end(row, "low") > MOVED for row in between)
    maybe = sum(not end(row, "high") <= MOVED for row in between)
    best = max(between, key=lambda row: float(row["value"]))
    seen = f"at {surely} of {len(between)} of these layers, most at layer {best['layer']}: {band(best)}"
    return enough(surely, maybe, SHARE * len(between)), seen


RULES: tuple[Rule, ...] = (
    Rule(
        "used by later blocks",
        "causes",
        "used",
        "Does the final answer move with what the heads read, when the stream at the query is exchanged?",
        f"A slope above {MOVED} (whole band) at {SHARE:.0%} of the layers between the first and the last.",
        "a detector: an answer that heads decode and nothing reads",
        _used,
    ),
)
