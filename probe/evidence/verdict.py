"""The verdict: criteria that can fail, each with its threshold, judged from the rows of the evidence alone.

The claim is that a model improves an internal answer step by step. Every criterion is something that the claim implies
and that an impostor, which ends at the same answer by another way, may lack.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isnan, log
from typing import Any, Literal

Row = Mapping[str, Any]
Outcome = Literal["holds", "fails", "not tested"]

LARGEST_FALL = 0.75
"""The largest single fall of log error, as a share of all falls, that is still gradual: a first step of gradient
descent may bring two thirds where the error ends at the noise, and a solver in one block brings all."""
FEWEST_STEPS = 3
"""The fewest blocks that must lower an error beyond noise, and the fewest different steps of an algorithm."""
RISE = 1.1
"""The factor by which an error may rise at a block."""
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
    """One question, what would be needed, what was seen, and the outcome."""

    name: str
    question: str
    threshold: str
    seen: str
    outcome: Outcome


@dataclass(frozen=True)
class Verdict:
    """All criteria, and what they amount to."""

    criteria: tuple[Criterion, ...]

    @property
    def supported(self) -> bool:
        """Whether every criterion that was tested holds, and none that decides was left out."""
        tested = [one for one in self.criteria if one.outcome != "not tested"]
        decided = {one.name for one in tested} >= set(DECISIVE)
        return decided and all(one.outcome == "holds" for one in tested)

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        failed = [one.name for one in self.criteria if one.outcome == "fails"]
        missing = [one.name for one in self.criteria if one.outcome == "not tested"]
        held = sum(one.outcome == "holds" for one in self.criteria)
        tail = f" Not tested: {', '.join(missing)}." if missing else ""
        if self.supported:
            return f"Supported: all {held} criteria that were tested hold.{tail}"
        if failed:
            return f"Not supported: {held} criteria hold and {len(failed)} fail ({', '.join(failed)}).{tail}"
        return f"Undecided: {held} criteria hold, but not all that decide were tested.{tail}"


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
    test: Callable[[list[Row]], tuple[bool, str]]
    absent: str = "The evidence was not gathered."
    """Why there may be nothing to judge."""


def _judged(rule: _Rule, rows: Sequence[Row], missing: Mapping[str, str]) -> Criterion:
    try:
        held, seen = rule.test([row for row in rows if row["evidence"] == rule.evidence])
    except LookupError:
        reason = missing.get(rule.evidence, rule.absent)
        return Criterion(rule.name, rule.question, rule.threshold, reason, "not tested")
    return Criterion(rule.name, rule.question, rule.threshold, seen, "holds" if held else "fails")


def _pick(rows: Sequence[Row], **wanted: str) -> list[Row]:
    """Returns the rows with these columns, or raises `LookupError` where there is none."""
    found = [row for row in rows if all(row[column] == value for column, value in wanted.items())]
    if not found:
        raise LookupError(
            f"There is no evidence with {', '.join(f'{name} {value}' for name, value in wanted.items())}."
        )
    return found


def _gradual(head: str) -> Callable[[list[Row]], tuple[bool, str]]:
    def test(rows: list[Row]) -> tuple[bool, str]:
        steps = _pick(rows, head=head, metric="step")
        largest = _pick(rows, head=head, metric="largest_fall")[0]["value"]
        better = sum(step["high"] < 0 for step in steps)
        worst = max(steps, key=lambda step: float(step["low"]))
        rises = worst["low"] > log(RISE)
        words = f"block {worst['layer']} raises it by more than a factor of {RISE}" if rises else "no block raises it"
        held = better >= FEWEST_STEPS and largest <= LARGEST_FALL and not rises
        return held, f"{better} of {len(steps)} blocks lower it, the largest fall is {largest:.0%} of all, {words}"

    return test


def _algorithm(rows: list[Row]) -> tuple[bool, str]:
    linear = _pick(rows, head="linear")
    found = [row for row in _pick(linear, metric="unexplained") if not isnan(row["value"])]
    if not found:
        return False, "no layer holds anything but the final answer, scaled"
    best = min(found, key=lambda row: float(row["value"]))
    of_best = {row["metric"]: row for row in linear if row["site"] == best["site"]}
    weights = of_best["unexplained_weights"]
    steps = [row["step"] for row in _pick(linear, site=best["site"], metric="spd") if row["layer"] > 0]
    near = max(best["high"], weights["high"]) <= UNEXPLAINED
    held = near and len(set(steps)) >= FEWEST_STEPS and steps == sorted(steps)
    thirds = [f"{of_best[f'unexplained_{which}']['value']:.2f} on {which} conditioned inputs" for which in CONDITIONED]
    return held, (
        f"{best['site']} comes closest and leaves {_band(best)} of the answers, {_band(weights)} of the induced "
        f"weights, {' and '.join(thirds)}; {of_best['steps_a_layer']['value']:.1f} steps a layer: "
        f"{' '.join(map(str, steps))}"
    )


def _gain(site: str, least: float) -> Callable[[list[Row]], tuple[bool, str]]:
    def test(rows: list[Row]) -> tuple[bool, str]:
        gains = [row for row in _pick(rows, site=site, metric="gain") if row["layer"] > 0]
        share = sum(row["low"] > least for row in gains) / len(gains)
        last = max(gains, key=lambda row: int(row["layer"]))
        return share >= SHARE and last["low"] > least, f"at {share:.0%} of the layers, at the last by {_band(last)}"

    return test


def _used(rows: list[Row]) -> tuple[bool, str]:
    slopes = _pick(rows, site="stream", head="linear", metric="slope")
    last = max(int(row["layer"]) for row in slopes)
    between = [row for row in slopes if 0 < row["layer"] < last]
    share = sum(row["low"] > MOVED for row in between) / len(between)
    best = max(between, key=lambda row: float(row["value"]))
    return share >= SHARE, f"at {share:.0%} of these layers, most at layer {best['layer']}: {_band(best)}"


def _leak(rows: list[Row]) -> tuple[bool, str]:
    lowest = min(_pick(rows, site="shuffled_targets", metric="error"), key=lambda row: float(row["value"]))
    return lowest["high"] >= NOTHING, f"the lowest is {lowest['value']:.3f}, at layer {lowest['layer']}"


def _inputs(rows: list[Row]) -> tuple[bool, str]:
    first = next(row for row in _pick(rows, head="linear", metric="error") if row["layer"] == 0)
    return first["high"] >= NOTHING, f"the read-in's error is {first['value']:.3f}"


def _band(row: Row) -> str:
    return f"{row['value']:.2f} ({row['low']:.2f} to {row['high']:.2f})"


_FALL = (
    f"At least {FEWEST_STEPS} blocks lower the error beyond noise, none raises it by more than a factor of {RISE}, and "
    f"no single one brings more than {LARGEST_FALL:.0%} of the fall of its logarithm."
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
        f"of the weights they induce (upper ends of the bands), by at least {FEWEST_STEPS} different steps, none of "
        "them backwards.",
        _algorithm,
    ),
    _Rule(
        "used by later blocks",
        "causes",
        "Does the final answer move with what the heads read, when the stream at the query is exchanged?",
        f"A slope above {MOVED} (lower end of the band) at {SHARE:.0%} of the layers between the first and the last.",
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
        f"An error of at least {NOTHING} at every layer (upper end of the band).",
        _leak,
    ),
    _Rule(
        "inputs alone",
        "curve",
        "Does the query alone, before any block, tell nothing of the answer?",
        f"An error of at least {NOTHING} at the read-in (upper end of the band).",
        _inputs,
    ),
)
DECISIVE = ("gradual fall", "one direction", "one algorithm", "beyond an untrained model")
"""Criteria without which the claim is not called supported."""
