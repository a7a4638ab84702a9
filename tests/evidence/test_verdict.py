"""Claims: each criterion holds and fails where it should; what was not gathered is not judged; all must hold."""

from typing import Any

import pytest

from probe.evidence.rows import row
from probe.evidence.verdict import DECISIVE, RULES, judge


def trend(head: str, falls: list[float], largest: float, noise: float = 0.01) -> list[dict[str, Any]]:
    steps = [
        row("m", "trend", "step", fall, fall - noise, fall + noise, head=head, layer=layer)
        for layer, fall in enumerate(falls, start=1)
    ]
    return [*steps, row("m", "trend", "largest_fall", largest, head=head)]


def matching(steps: list[int], unexplained: float, weights: float | None = None) -> list[dict[str, Any]]:
    found = [row("m", "matching", "spd", 0.01, site="gd", head="linear", layer=i, step=s) for i, s in enumerate(steps)]
    left = dict.fromkeys(("unexplained", "unexplained_well", "unexplained_ill"), unexplained)
    left["unexplained_weights"] = unexplained if weights is None else weights
    bands = {metric: (value, value - 0.02, value + 0.02) for metric, value in left.items()}
    found.append(row("m", "matching", "steps_a_layer", 1.0, site="gd", head="linear"))
    return found + [row("m", "matching", metric, *band, site="gd", head="linear") for metric, band in bands.items()]


def nulls(site: str, gain: float) -> list[dict[str, Any]]:
    return [
        row("m", "nulls", "gain", gain, gain - 0.1, gain + 0.1, site=site, head="linear", layer=layer)
        for layer in range(5)
    ]


def used(slope: float) -> list[dict[str, Any]]:
    return [
        row("m", "causes", "slope", slope, slope - 0.01, slope + 0.01, site="stream", head="linear", layer=layer)
        for layer in range(5)
    ]


def leak(error: float) -> list[dict[str, Any]]:
    return [row("m", "nulls", "error", error, error - 0.02, error + 0.02, site="shuffled_targets", layer=2)]


def inputs(error: float) -> list[dict[str, Any]]:
    return [row("m", "curve", "error", error, error - 0.02, error + 0.02, head="linear", layer=0)]


FALLS = [-0.5, -0.5, -0.5, -0.5]
GOOD = [
    *(one for head in ("linear", "frozen", "lens") for one in trend(head, FALLS, 0.25)),
    *matching([0, 1, 2, 3, 4], 0.05),
    *nulls("untrained", 0.8),
    *nulls("fixed_function", 0.9),
    *used(0.3),
    *leak(1.0),
    *inputs(1.0),
]


def outcomes(rows: list[dict[str, Any]]) -> dict[str, str]:
    return {one.name: one.outcome for one in judge(rows, {}).criteria}


def test_a_claim_is_supported_where_all_that_was_tested_holds():
    assert set(outcomes(GOOD).values()) == {"holds"}
    verdict = judge(GOOD, {})
    assert verdict.supported
    assert verdict.sentence == f"Supported: all {len(RULES)} criteria that were tested hold."
    without = [one for one in GOOD if one["site"] != "fixed_function"]
    assert judge(without, {}).supported
    assert "Not tested: beyond one fixed function." in judge(without, {}).sentence


WORSE: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "one large step": ("gradual fall", trend("linear", [-3.0, -0.2, -0.2, -0.2], 0.83)),
    "too few steps": ("gradual fall", trend("linear", [-1.0, -1.0, 0.0, 0.0], 0.5)),
    "a rise": ("lens", trend("lens", [-1.0, 0.5, -1.0, -1.0], 0.34)),
    "a wandering direction": ("one direction", trend("frozen", [0.0, 0.0, 0.0, -2.0], 1.0)),
    "no algorithm": ("one algorithm", matching([0, 1, 2, 3, 4], 0.24)),
    "other weights": ("one algorithm", matching([0, 1, 2, 3, 4], 0.05, weights=0.24)),
    "steps back": ("one algorithm", matching([0, 1, 3, 2, 4], 0.05)),
    "two steps": ("one algorithm", matching([0, 0, 0, 1, 1], 0.05)),
    "no gain": ("beyond an untrained model", nulls("untrained", 0.05)),
    "little selectivity": ("beyond one fixed function", nulls("fixed_function", 0.55)),
    "an answer that is not used": ("used by later blocks", used(0.025)),
    "a leak": ("no leak between prompts", leak(0.9)),
    "telling inputs": ("inputs alone", inputs(0.9)),
}


@pytest.mark.parametrize("name", WORSE)
def test_each_criterion_can_fail_and_with_it_the_claim(name):
    failing, worse = WORSE[name]

    def key(one: dict[str, Any]) -> tuple[Any, ...]:
        return one["evidence"], one["head"], one["site"]

    replaced = {key(one) for one in worse}
    rows = [one for one in GOOD if key(one) not in replaced] + worse
    found = outcomes(rows)
    assert found.pop(failing) == "fails"
    assert set(found.values()) == {"holds"}
    assert not judge(rows, {}).supported
    assert f"({failing})" in judge(rows, {}).sentence


@pytest.mark.parametrize("name", DECISIVE)
def test_a_claim_is_not_supported_without_what_decides(name):
    evidence = next(rule.evidence for rule in RULES if rule.name == name)
    rows = [one for one in GOOD if one["evidence"] != evidence]
    verdict = judge(rows, {evidence: "It was left out."})
    assert not verdict.supported
    assert verdict.sentence.startswith("Undecided")
    assert next(one.seen for one in verdict.criteria if one.name == name) == "It was left out."


def test_layers_that_hold_only_the_final_answer_have_no_algorithm():
    rows = [one for one in GOOD if one["metric"] != "unexplained"]
    rows.append(row("m", "matching", "unexplained", float("nan"), site="gd", head="linear"))
    assert outcomes(rows)["one algorithm"] == "fails"
