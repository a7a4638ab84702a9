"""The verdict: criteria that can fail, each with its threshold, judged from the rows of the evidence alone.

The claim is that a model improves an internal answer step by step. Every criterion is something that the claim implies
and that an impostor, which ends at the same answer by another way, may lack. A criterion holds where the whole band
lies on the right side of its threshold, fails where it lies on the other, and is undecided where it lies on both or
where there is no evidence: fewer prompts can turn no answer into another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, exp, isnan, log
from typing import Any, Literal

Row = Mapping[str, Any]
Outcome = Literal["holds", "fails", "undecided"]
Judged = tuple[Outcome, str]
"""An outcome, and in words what was seen."""

LARGEST_FALL = 0.75
"""The largest single fall of log error, as a share of all falls, that is still gradual: a first step of gradient
descent may bring two thirds where the error ends at the noise, and a solver in one block brings all."""
FEWEST_STEPS = 3
"""The fewest blocks that must lower an error beyond noise, and the fewest different steps of an algorithm."""
RISE = 1.1
"""The factor by which an error may rise at a block; a fall by less is none to speak of."""
UNEXPLAINED = 0.25
"""The share of the null's distance that an algorithm may leave unexplained."""
CONDITIONED = ("well", "ill")
"""The thirds of the prompts on which the same is told, without deciding."""
SHARE = 0.5
"""The share of layers at which an effect must be there."""
NOTHING = 0.95
"""An error above this is that of knowing nothing."""
MOVED = 0.02
"""The slope of the final answer's shift on the head's, above which what a layer answers is used: later steps of an
iterative algorithm take back most of what was put in early."""
FIXED_GAIN = 0.5
"""How far heads on a model that learned one fixed w must stay behind, in units of the zero error."""


@dataclass(frozen=True)
class Criterion:
    """One question, what would be needed, what was seen, and the outcome.

    Attributes:
        tested: whether there was evidence to judge; without, the outcome is undecided and ``seen`` says why.
    """

    name: str
    question: str
    threshold: str
    seen: str
    outcome: Outcome
    tested: bool = True


@dataclass(frozen=True)
class Verdict:
    """All criteria, and what they amount to."""

    criteria: tuple[Criterion, ...]

    @property
    def supported(self) -> bool:
        """Whether every criterion that was tested holds, and none that decides was left out."""
        tested = [one for one in self.criteria if one.tested]
        decided = {one.name for one in tested} >= set(DECISIVE)
        return decided and all(one.outcome == "holds" for one in tested)

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        failed = [one.name for one in self.criteria if one.outcome == "fails"]
        open_ = [one.name for one in self.criteria if one.outcome == "undecided" and one.tested]
        missing = [one.name for one in self.criteria if not one.tested]
        held = sum(one.outcome == "holds" for one in self.criteria)
        tail = f" Not tested: {', '.join(missing)}." if missing else ""
        if open_:
            tail = f" Too few prompts to decide: {', '.join(open_)}.{tail}"
        if self.supported:
            return f"Supported: all {held} criteria that were tested hold.{tail}"
        if failed:
            return f"Not supported: {held} criteria hold and {len(failed)} fail ({', '.join(failed)}).{tail}"
        return f"Undecided: {held} criteria hold and none fails, but not all are decided.{tail}"


def judge(rows: Sequence[Row], missing: Mapping[str, str]) -> Verdict:
    """Returns the verdict on one model's rows of evidence.

    Args:
        rows: as `probe.evidence.rows.row` makes them.
        missing: why a kind of evidence is not there, by its name.
    """
    return Verdict(tuple(_judged(rule, rows, missing) for rule in RULES))


@dataclass(frozen=True)
class _Rule:
    name: str
    evidence: str
    question: str
    threshold: str
    test: Callable[[list[Row]], Judged]
    absent: str = "The evidence was not gathered."
    """Why there may be nothing to judge."""


def _judged(rule: _Rule, rows: Sequence[Row], missing: Mapping[str, str]) -> Criterion:
    try:
        outcome, seen = rule.test([row for row in rows if row["evidence"] == rule.evidence])
    except LookupError:
        reason = missing.get(rule.evidence, rule.absent)
        return Criterion(rule.name, rule.question, rule.threshold, reason, "undecided", tested=False)
    return Criterion(rule.name, rule.question, rule.threshold, seen, outcome)


def _pick(rows: Sequence[Row], **wanted: str) -> list[Row]:
    """Returns the rows with these columns, or raises `LookupError` where there is none."""
    found = [row for row in rows if all(row[column] == value for column, value in wanted.items())]
    if not found:
        raise LookupError(
            f"There is no evidence with {', '.join(f'{name} {value}' for name, value in wanted.items())}."
        )
    return found


def _end(row: Row, end: str) -> float:
    """Returns an end of a row's band; nan, which no comparison holds of, where it has none."""
    return float("nan") if row[end] is None else float(row[end])


def _at_most(row: Row, most: float) -> Outcome:
    """Returns whether the whole band lies at or below a threshold."""
    return _decided(_end(row, "high") <= most, _end(row, "low") > most)


def _at_least(row: Row, least: float) -> Outcome:
    """Returns whether the whole band lies at or above a threshold."""
    return _decided(_end(row, "low") >= least, _end(row, "high") < least)


def _decided(holds: bool, fails: bool) -> Outcome:
    return "holds" if holds else "fails" if fails else "undecided"


def _all(outcomes: Iterable[Outcome]) -> Outcome:
    """Returns the outcome of several conditions of which all are needed."""
    found = set(outcomes)
    return "fails" if "fails" in found else "undecided" if "undecided" in found else "holds"


def _enough(surely: int, possibly: int, needed: float | int) -> Outcome:
    """Returns whether enough of several hold, from how many surely do and how many may."""
    return _decided(surely >= needed, possibly < needed)


def _gradual(head: str) -> Callable[[list[Row]], Judged]:
    def test(rows: list[Row]) -> Judged:
        steps = _pick(rows, head=head, metric="step")
        largest = _pick(rows, head=head, metric="largest_fall")[0]
        better = sum(_end(step, "high") < 0 for step in steps)
        # a band that reaches no further down than this leaves no fall to speak of
        maybe = sum(not _end(step, "low") >= -log(RISE) or _end(step, "high") < 0 for step in steps)
        rises, words = _rises(steps)
        outcome = _all([_enough(better, maybe, FEWEST_STEPS), _at_most(largest, LARGEST_FALL), rises])
        share = f"{largest['value']:.0%} of all"
        if _at_most(largest, LARGEST_FALL) == "undecided":
            share += f" ({_end(largest, 'low'):.0%} to {_end(largest, 'high'):.0%})"
        might = f" and {maybe - better} may" if better < FEWEST_STEPS <= maybe else ""
        return outcome, f"{better} of {len(steps)} blocks lower it{might}, the largest fall is {share}, {words}"

    return test


def _rises(steps: Sequence[Row]) -> Judged:
    """Returns whether no block raises an error beyond `RISE`, by bands of log ratios for all blocks at once."""
    unknown = [step for step in steps if isnan(_end(step, "low")) or isnan(_end(step, "high"))]
    if unknown:
        return "undecided", f"block {unknown[0]['layer']} has no band"
    worst = max(steps, key=lambda step: _end(step, "low"))
    if _end(worst, "low") > log(RISE):
        return "fails", f"block {worst['layer']} raises it by more than a factor of {RISE}"
    widest = max(steps, key=lambda step: _end(step, "high"))
    if _end(widest, "high") > log(RISE):
        # rounded up, as an upper end is: never to the threshold itself
        factor = ceil(100 * exp(_end(widest, "high"))) / 100
        return "undecided", f"cannot exclude x {factor:g} at block {widest['layer']}"
    return "holds", f"no block raises it by more than a factor of {RISE}"


def _algorithm(rows: list[Row]) -> Judged:
    linear = _pick(rows, head="linear")
    found = [row for row in _pick(linear, metric="unexplained") if not isnan(row["value"])]
    if not found:
        return "fails", "no layer holds anything but the final answer, scaled"
    best = min(found, key=lambda row: float(row["value"]))
    of_best = {row["metric"]: row for row in linear if row["site"] == best["site"]}
    weights = of_best["unexplained_weights"]
    steps = [row["step"] for row in _pick(linear, site=best["site"], metric="spd") if row["layer"] > 0]
    onwards = len(set(steps)) >= FEWEST_STEPS and steps == sorted(steps)
    near = [_at_most(row, UNEXPLAINED) for row in (best, weights)]
    thirds = [f"{of_best[f'unexplained_{which}']['value']:.2f} on {which} conditioned inputs" for which in CONDITIONED]
    return _all([*near, _decided(onwards, not onwards)]), (
        f"{best['site']} comes closest and leaves {_band(best)} of the answers, {_band(weights)} of the induced "
        f"weights, {' and '.join(thirds)}; {of_best['steps_a_layer']['value']:.1f} steps a layer: "
        f"{' '.join(map(str, steps))}"
    )


def _gain(site: str, least: float) -> Callable[[list[Row]], Judged]:
    def test(rows: list[Row]) -> Judged:
        gains = [row for row in _pick(rows, site=site, metric="gain") if row["layer"] > 0]
        needed = SHARE * len(gains)
        surely = [_end(row, "low") > least for row in gains]
        # a gain that is at most this small is none to speak of
        maybe = [not _end(row, "high") <= max(least, 1 - NOTHING) for row in gains]
        last = max(range(len(gains)), key=lambda place: int(gains[place]["layer"]))
        outcome = _all(
            [_enough(sum(surely), sum(maybe), needed), _decided(surely[last], not (surely[last] or maybe[last]))]
        )
        return outcome, f"at {sum(surely)} of {len(gains)} layers, at the last by {_band(gains[last])}"

    return test


def _used(rows: list[Row]) -> Judged:
    slopes = _pick(rows, site="stream", head="linear", metric="slope")
    last = max(int(row["layer"]) for row in slopes)
    between = [row for row in slopes if 0 < row["layer"] < last]
    if not between:
        raise LookupError("There is no layer between the first and the last.")
    surely = sum(_end(row, "low") > MOVED for row in between)
    maybe = sum(not _end(row, "high") <= MOVED for row in between)
    best = max(between, key=lambda row: float(row["value"]))
    seen = f"at {surely} of {len(between)} of these layers, most at layer {best['layer']}: {_band(best)}"
    return _enough(surely, maybe, SHARE * len(between)), seen


def _leak(rows: list[Row]) -> Judged:
    errors = _pick(rows, site="shuffled_targets", metric="error")
    lowest = min(errors, key=lambda row: float(row["value"]))
    outcome = _all(_at_least(row, NOTHING) for row in errors)
    return outcome, f"the lowest is {_band(lowest, 3)}, at layer {lowest['layer']}"


def _inputs(rows: list[Row]) -> Judged:
    first = _pick([row for row in rows if row["layer"] == 0], head="linear", metric="error")[0]
    return _at_least(first, NOTHING), f"the read-in's error is {_band(first, 3)}"


def _band(row: Row, digits: int = 2) -> str:
    value, low, high = row["value"], _end(row, "low"), _end(row, "high")
    if isnan(low) or isnan(high):
        return f"{value:.{digits}f} (no band)"
    return f"{value:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


_FALL = (
    f"At least {FEWEST_STEPS} blocks lower the error beyond noise, none raises it by more than a factor of {RISE}, and "
    f"no single one brings more than {LARGEST_FALL:.0%} of the fall of its logarithm (whole bands)."
)
RULES: tuple[_Rule, ...] = (
    _Rule("gradual fall", "trend", "Does the error of refitted heads fall in steps?", _FALL, _gradual("linear")),
    _Rule(
        "one direction",
        "trend",
        "Does the last layer's head, frozen, see the same answer get better in earlier layers?",
        _FALL,
        _gradual("frozen"),
    ),
    _Rule("lens", "trend", "Does the model's own read-out, applied early, see it?", _FALL, _gradual("lens")),
    _Rule(
        "one algorithm",
        "matching",
        "Are the layers' answers successive steps of one algorithm?",
        f"It leaves at most {UNEXPLAINED:.0%} of what the final answer, scaled, leaves unexplained, of the answers and "
        f"of the weights they induce (whole bands), by at least {FEWEST_STEPS} different steps, none of "
        "them backwards.",
        _algorithm,
    ),
    _Rule(
        "used by later blocks",
        "causes",
        "Does the final answer move with what the heads read, when the stream at the query is exchanged?",
        f"A slope above {MOVED} (whole band) at {SHARE:.0%} of the layers between the first and the last.",
        _used,
    ),
    _Rule(
        "beyond an untrained model",
        "nulls",
        "Do heads err less than on the same blocks with fresh weights?",
        f"Beyond noise at {SHARE:.0%} of the layers at least, the last among them.",
        _gain("untrained", 0.0),
        absent="Fresh weights are drawn for our own layouts alone, and this model is none of them.",
    ),
    _Rule(
        "beyond one fixed function",
        "nulls",
        "Do heads err less than on a model that was trained on one fixed w, and is asked for fresh ones?",
        f"By more than {FIXED_GAIN} of the zero error at the last layer and at {SHARE:.0%} of the layers compared.",
        _gain("fixed_function", FIXED_GAIN),
        absent="No model that was trained on one fixed function was given. Add --control.",
    ),
    _Rule(
        "no leak between prompts",
        "nulls",
        "Do heads know nothing of another prompt's targets?",
        f"An error of at least {NOTHING} at every layer (whole band).",
        _leak,
    ),
    _Rule(
        "inputs alone",
        "curve",
        "Does the query alone, before any block, tell nothing of the answer?",
        f"An error of at least {NOTHING} at the read-in (whole band).",
        _inputs,
    ),
)
DECISIVE = ("gradual fall", "one direction", "one algorithm", "beyond an untrained model")
"""Criteria without which the claim is not called supported."""
