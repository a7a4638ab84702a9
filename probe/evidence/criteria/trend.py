"""Whether errors fall in steps: of refitted heads, of one frozen head, and of the model's own read-out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil, exp, isnan, log

from probe.evidence.criteria.judging import Judged, Row, at_least, at_most, band, end, enough, every, pick
from probe.evidence.criteria.rule import Rule

LARGEST_FALL = 0.75
"""The largest single fall of log error, as a share of all falls, that is still gradual: a first step of gradient
descent may bring two thirds where the error ends at the noise, and a solver in one block brings all."""
FEWEST_STEPS = 3
"""The fewest blocks that must lower an error beyond noise."""
FALL = 1.1
"""The factor by which a block must lower an error: a fall by less is none to speak of."""
RISE = 1.25
"""The factor by which an error may rise at a block."""

STEP = 6.0
"""By how much a single step's Bayesian information criterion may be lower than a line's over the falling part of a
curve: from here on evidence is strong (Kass & Raftery, 1995, doi:10.1080/01621459.1995.10476572, section 3.2)."""


def _stepwise(rows: list[Row]) -> Judged:
    """Judges the reading of y or w, or heads for y in records that have no other."""
    few = [int(row["value"]) for row in rows if row["metric"] == "blocks"]
    if few:
        return "fails", f"the model has {few[0]} of the {FEWEST_STEPS} blocks that as many steps need"
    head = "read" if any(row["head"] == "read" for row in rows) else "linear"
    outcome, seen = _gradual(head)(rows)
    lines = [row for row in rows if row["head"] == head and row["metric"] == "stretch_favours_line"]
    line = "".join(f", a line is better than a single step by {band(row, 1)}" for row in lines)
    return every([outcome, *(at_least(row, -STEP) for row in lines)]), seen + line


def _lens(rows: list[Row]) -> Judged:
    """Judges the calibrated lens, or the plain one in records that have no other."""
    return _gradual("calibrated" if any(row["head"] == "calibrated" for row in rows) else "lens")(rows)


def _gradual(head: str) -> Callable[[list[Row]], Judged]:
    def test(rows: list[Row]) -> Judged:
        steps = pick(rows, head=head, metric="step")
        largest = pick(rows, head=head, metric="largest_fall")[0]
        better = sum(end(step, "high") < -log(FALL) for step in steps)
        # a band that reaches no further down than this leaves no fall to speak of
        maybe = sum(not end(step, "low") >= -log(FALL) for step in steps)
        rises, words = _rises(steps)
        outcome = every([enough(better, maybe, FEWEST_STEPS), at_most(largest, LARGEST_FALL), rises])
        share = f"{largest['value']:.0%} of all"
        if at_most(largest, LARGEST_FALL) == "undecided":
            share += f" ({end(largest, 'low'):.0%} to {end(largest, 'high'):.0%})"
        might = f" and {maybe - better} may" if better < FEWEST_STEPS <= maybe else ""
        return outcome, f"{better} of {len(steps)} blocks lower it{might}, the largest fall is {share}, {words}"

    return test


def _rises(steps: Sequence[Row]) -> Judged:
    """Returns whether no block raises an error beyond `RISE`, by bands of log ratios for all blocks at once."""
    unknown = [step for step in steps if isnan(end(step, "low")) or isnan(end(step, "high"))]
    if unknown:
        return "undecided", f"block {unknown[0]['layer']} has no band"
    worst = max(steps, key=lambda step: end(step, "low"))
    if end(worst, "low") > log(RISE):
        return "fails", f"block {worst['layer']} raises it by more than a factor of {RISE}"
    widest = max(steps, key=lambda step: end(step, "high"))
    if end(widest, "high") > log(RISE):
        # rounded up, as an upper end is: never to the threshold itself
        factor = ceil(100 * exp(end(widest, "high"))) / 100
        return "undecided", f"cannot exclude x {factor:g} at block {widest['layer']}"
    return "holds", f"no block raises it by more than a factor of {RISE}"


_FALL = (
    f"At least {FEWEST_STEPS} blocks lower the error by a factor of {FALL} or more, none raises it by {RISE}, and no "
    f"single one brings more than {LARGEST_FALL:.0%} of the fall of its logarithm (whole bands)."
)
RULES: tuple[Rule, ...] = (
    Rule(
        "gradual fall",
        "trend",
        "decodable",
        "Does the error of what heads read of y, or of w, fall in steps?",
        f"{_FALL} A single step does not describe the falling part "
        f"much better than a line does (by {STEP:g} in the Bayesian information criterion).",
        "a solver that writes the answer in one block",
        _stepwise,
    ),
    Rule(
        "one direction",
        "trend",
        "shown",
        "Does the last layer's head, frozen, see the same answer get better in earlier layers?",
        _FALL,
        "heads that read another quantity at every layer",
        _gradual("frozen"),
    ),
    Rule(
        "lens",
        "trend",
        "shown",
        "Does the model's own read-out, applied early and scaled and shifted for each layer, see it?",
        _FALL,
        "an answer that the model itself cannot read",
        _lens,
    ),
)
