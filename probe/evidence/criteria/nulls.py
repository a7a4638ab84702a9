"""Whether heads read what the model learned to compute, and nothing that is there without it."""

from __future__ import annotations

from collections.abc import Callable

from probe.evidence.criteria.judging import Judged, Row, at_least, band, decided, end, enough, every, pick
from probe.evidence.criteria.rule import Rule

SHARE = 0.5
"""The share of layers at which an effect must be there."""
NOTHING = 0.95
"""An error above this is that of knowing nothing."""
FIXED_GAIN = 0.5
"""How far heads on a model that learned one fixed w must stay behind, in units of the zero error."""


def _gain(site: str, least: float) -> Callable[[list[Row]], Judged]:
    def test(rows: list[Row]) -> Judged:
        gains = [row for row in pick(rows, site=site, metric="gain") if row["layer"] > 0]
        needed = SHARE * len(gains)
        surely = [end(row, "low") > least for row in gains]
        # a gain that is at most this small is none to speak of
        maybe = [not end(row, "high") <= max(least, 1 - NOTHING) for row in gains]
        last = max(range(len(gains)), key=lambda place: int(gains[place]["layer"]))
        outcome = every(
            [enough(sum(surely), sum(maybe), needed), decided(surely[last], not (surely[last] or maybe[last]))]
        )
        return outcome, f"at {sum(surely)} of {len(gains)} layers, at the last by {band(gains[last])}"

    return test


def _leak(rows: list[Row]) -> Judged:
    errors = pick(rows, site="shuffled_targets", metric="error")
    lowest = min(errors, key=lambda row: float(row["value"]))
    outcome = every(at_least(row, NOTHING) for row in errors)
    return outcome, f"the lowest is {band(lowest, 3)}, at layer {lowest['layer']}"


def _inputs(rows: list[Row]) -> Judged:
    first = pick([row for row in rows if row["layer"] == 0], head="linear", metric="error")[0]
    return at_least(first, NOTHING), f"the read-in's error is {band(first, 3)}"


RULES: tuple[Rule, ...] = (
    Rule(
        "beyond an untrained model",
        "nulls",
        "decodable",
        "Do heads err less than on the same blocks with fresh weights?",
        f"Beyond noise at {SHARE:.0%} of the layers at least, the last among them.",
        "heads that learn the task themselves from random features",
        _gain("untrained", 0.0),
        absent="Nothing in the blocks of this model can be trained, so that there is no untrained one.",
    ),
    Rule(
        "beyond one fixed function",
        "nulls",
        "decodable",
        "Do heads err less than on a model that was trained on one fixed w, and is asked for fresh ones?",
        f"By more than {FIXED_GAIN} of the zero error at the last layer and at {SHARE:.0%} of the layers compared.",
        "representations of x that any trained model has",
        _gain("fixed_function", FIXED_GAIN),
        absent="No model that was trained on one fixed function was given. Add --control.",
    ),
    Rule(
        "no leak between prompts",
        "nulls",
        "decodable",
        "Do heads know nothing of another prompt's targets?",
        f"An error of at least {NOTHING} at every layer (whole band).",
        "heads that remember prompts",
        _leak,
    ),
    Rule(
        "inputs alone",
        "curve",
        "decodable",
        "Does the query alone, before any block, tell nothing of the answer?",
        f"An error of at least {NOTHING} at the read-in (whole band).",
        "an answer that follows from the query without examples",
        _inputs,
    ),
)
