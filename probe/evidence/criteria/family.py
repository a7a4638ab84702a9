"""Whether the layers' answers are successive steps of an algorithm that can be named."""

from __future__ import annotations

from collections.abc import Mapping
from math import isnan

from probe.evidence.criteria.judging import Judged, Row, at_most, band, decided, end, every, pick
from probe.evidence.criteria.rule import Rule

FEWEST_STEPS = 3
"""The fewest different steps of an algorithm."""
UNEXPLAINED = 0.25
"""The share of the null's distance that an algorithm may leave unexplained."""
CEILING = "free_filter"
"""The site of what no algorithm with a name can fall below."""
SHIFTS = ("scaled", "rotated", "conditioned", "noisy")
"""What is done to prompts on which the closest algorithm, with its setting fixed, is laid beside the model."""
CONDITIONED = ("well", "ill")
"""The thirds of the prompts on which the same is told, without deciding."""


def _family(rows: list[Row]) -> Judged:
    linear = pick(rows, head="linear")
    left = [row for row in pick(linear, metric="unexplained") if row["site"] != CEILING]
    known = [row for row in left if not isnan(row["value"])]
    if not known:
        return "fails", "no layer holds anything but the final answer, scaled"
    ranks = {row["site"]: float(row["value"]) for row in linear if row["metric"] == "rank"}
    # records of before have no rank, and the closest on the score prompts is the first
    best = min(known, key=lambda row: ranks.get(row["site"], float("inf")) if ranks else float(row["value"]))
    of_best = {row["metric"]: row for row in linear if row["site"] == best["site"]}
    weights = of_best["unexplained_weights"]
    steps = [row["step"] for row in pick(linear, site=best["site"], metric="spd") if row["layer"] > 0]
    onwards = len(set(steps)) >= FEWEST_STEPS and steps == sorted(steps)
    near = [at_most(row, UNEXPLAINED) for row in (best, weights)]
    thirds = [f"{of_best[f'unexplained_{which}']['value']:.2f} on {which} conditioned inputs" for which in CONDITIONED]
    return every([*near, decided(onwards, not onwards)]), (
        f"{best['site']} comes closest and leaves {band(best)} of the answers, {band(weights)} of the induced "
        f"weights, {' and '.join(thirds)}{_elsewhere(of_best)}{_alike(linear, best['site'])}{_ceiling(linear)}; "
        f"{of_best['steps_a_layer']['value']:.1f} steps a layer: {' '.join(map(str, steps))}"
    )


def _elsewhere(of_best: Mapping[str, Row]) -> str:
    """Returns in words what the closest algorithm leaves on prompts of other kinds, as it was fixed on these."""
    found = [
        f"{of_best[f'unexplained_{kind}']['value']:.2f} {kind}" for kind in SHIFTS if f"unexplained_{kind}" in of_best
    ]
    return f"; on other prompts, as it is: {', '.join(found)}" if found else ""


def _alike(rows: list[Row], best: str) -> str:
    """Returns in words which algorithms are not told apart from the closest one."""
    alike = [
        str(row["site"])
        for row in rows
        if row["metric"] == "difference" and row["site"] != best and not end(row, "low") > 0
    ]
    return f"; not told apart from it: {', '.join(alike)}" if alike else ""


def _ceiling(rows: list[Row]) -> str:
    """Returns in words what any filter of the spectrum would leave, and what no weights explain at all."""
    found = {row["metric"]: row for row in rows if row["site"] == CEILING}
    left = f"; a free filter of the spectrum leaves {band(found['unexplained'])}" if "unexplained" in found else ""
    if "nonlinear" not in found:
        return left
    return f"{left}; {found['nonlinear']['value']:.1%} of the squares of the answers is not linear in the query"


RULES: tuple[Rule, ...] = (
    Rule(
        "a named family",
        "matching",
        "named family",
        "Are the layers' answers successive steps of one algorithm?",
        f"It leaves at most {UNEXPLAINED:.0%} of what the final answer, scaled, leaves unexplained, of the answers and "
        f"of the weights they induce (whole bands), by at least {FEWEST_STEPS} different steps, none of "
        "them backwards.",
        "a way to the answer that is no known algorithm's",
        _family,
    ),
)
