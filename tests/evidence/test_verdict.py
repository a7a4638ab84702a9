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
    return [*steps, row("m", "trend", "largest_fall", largest, largest - 0.03, largest + 0.03, head=head)]


def matching(
    steps: list[int], unexplained: float, weights: float | None = None, noise: float = 0.02
) -> list[dict[str, Any]]:
    found = [row("m", "matching", "spd", 0.01, site="gd", head="linear", layer=i, step=s) for i, s in enumerate(steps)]
    left = dict.fromkeys(("unexplained", "unexplained_well", "unexplained_ill"), unexplained)
    left["unexplained_weights"] = unexplained if weights is None else weights
    bands = {metric: (value, value - noise, value + noise) for metric, value in left.items()}
    found.append(row("m", "matching", "steps_a_layer", 1.0, site="gd", head="linear"))
    return found + [row("m", "matching", metric, *band, site="gd", head="linear") for metric, band in bands.items()]


def nulls(site: str, gain: float, noise: float = 0.1) -> list[dict[str, Any]]:
    return [
        row("m", "nulls", "gain", gain, gain - noise, gain + noise, site=site, head="linear", layer=layer)
        for layer in range(5)
    ]


def used(slope: float, noise: float = 0.01) -> list[dict[str, Any]]:
    return [
        row("m", "causes", "slope", slope, slope - noise, slope + noise, site="stream", head="linear", layer=layer)
        for layer in range(5)
    ]


def leak(error: float, noise: float = 0.02) -> list[dict[str, Any]]:
    return [row("m", "nulls", "error", error, error - noise, error + noise, site="shuffled_targets", layer=2)]


def inputs(error: float, noise: float = 0.02) -> list[dict[str, Any]]:
    return [row("m", "curve", "error", error, error - noise, error + noise, head="linear", layer=0)]


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
    "no algorithm": ("one algorithm", matching([0, 1, 2, 3, 4], 0.28)),
    "other weights": ("one algorithm", matching([0, 1, 2, 3, 4], 0.05, weights=0.28)),
    "steps back": ("one algorithm", matching([0, 1, 3, 2, 4], 0.05)),
    "two steps": ("one algorithm", matching([0, 0, 0, 1, 1], 0.05)),
    "no gain": ("beyond an untrained model", nulls("untrained", 0.0, 0.03)),
    "little selectivity": ("beyond one fixed function", nulls("fixed_function", 0.35)),
    "an answer that is not used": ("used by later blocks", used(0.005)),
    "a leak": ("no leak between prompts", leak(0.9)),
    "telling inputs": ("inputs alone", inputs(0.9)),
}


UNKNOWN: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "a rise that is not excluded": ("lens", trend("lens", FALLS, 0.25, noise=0.8)),
    "falls that may be none": ("gradual fall", trend("linear", [-0.2] * 4, 0.25, noise=0.25)),
    "a fall that may be most of all": ("one direction", trend("frozen", [-2.0, -0.3, -0.3, -0.3], 0.74)),
    "a distance on both sides": ("one algorithm", matching([0, 1, 2, 3, 4], 0.24)),
    "weights on both sides": ("one algorithm", matching([0, 1, 2, 3, 4], 0.05, weights=0.24)),
    "a wide distance": ("one algorithm", matching([0, 1, 2, 3, 4], 0.5, noise=0.4)),
    "a gain within noise": ("beyond an untrained model", nulls("untrained", 0.05)),
    "a wide gain": ("beyond one fixed function", nulls("fixed_function", 0.55)),
    "a slope on both sides": ("used by later blocks", used(0.3, 0.29)),
    "a leak that is not excluded": ("no leak between prompts", leak(1.0, 0.2)),
    "inputs that may tell": ("inputs alone", inputs(1.0, 0.2)),
}
"""Bands that lie on both sides of a threshold, whatever their middle."""


def replaced(worse: list[dict[str, Any]]) -> list[dict[str, Any]]:
    def key(one: dict[str, Any]) -> tuple[Any, ...]:
        return one["evidence"], one["head"], one["site"]

    gone = {key(one) for one in worse}
    return [one for one in GOOD if key(one) not in gone] + worse


@pytest.mark.parametrize("name", UNKNOWN)
def test_a_band_on_both_sides_of_a_threshold_decides_nothing(name):
    open_, rows = UNKNOWN[name]
    found = outcomes(replaced(rows))
    assert found.pop(open_) == "undecided"
    assert set(found.values()) == {"holds"}
    verdict = judge(replaced(rows), {})
    assert not verdict.supported
    assert verdict.sentence.startswith("Undecided")
    assert f"Too few prompts to decide: {open_}." in verdict.sentence


def test_what_cannot_be_excluded_is_named():
    rows = trend("lens", FALLS, 0.25)
    rows[1] = rows[1] | {"value": 0.0, "low": -0.8, "high": 0.8}
    seen = next(one.seen for one in judge(replaced(rows), {}).criteria if one.name == "lens")
    assert "cannot exclude x 2.23 at block 2" in seen


@pytest.mark.parametrize("rule", [rule.name for rule in RULES])
def test_no_width_of_a_band_turns_undecided_or_fails_into_holds(rule):
    """Fewer prompts widen every band about its middle: what holds may become undecided, and nothing else changes."""
    order = {"fails": 0, "undecided": 1, "holds": 2}
    for middle in (GOOD, *(replaced(rows) for name, rows in WORSE.values() if name == rule)):
        seen = []
        for factor in (1.0, 3.0, 10.0, 100.0, 1000.0):
            wide = [
                one
                if one["low"] is None
                else one | {end: one["value"] + factor * (one[end] - one["value"]) for end in ("low", "high")}
                for one in middle
            ]
            seen.append(order[outcomes(wide)[rule]])
        assert seen[0] != 1
        if seen[0] == 2:
            assert seen == sorted(seen, reverse=True) and 0 not in seen
        else:
            assert 2 not in seen


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_evidence_without_a_band_is_never_a_hold(rule):
    rows = [one | {"low": None, "high": None} if one["evidence"] == rule.evidence else one for one in GOOD]
    assert outcomes(rows)[rule.name] == "undecided"


def test_blocks_that_lower_an_error_are_counted_by_their_bands_and_not_by_their_values():
    rows = [one | {"high": 0.01} if one["metric"] == "step" and one["head"] == "linear" else one for one in GOOD]
    assert outcomes(rows)["gradual fall"] == "undecided"


@pytest.mark.parametrize("name", WORSE)
def test_each_criterion_can_fail_and_with_it_the_claim(name):
    failing, worse = WORSE[name]
    rows = replaced(worse)
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
    left = next(one for one in verdict.criteria if one.name == name)
    assert (left.outcome, left.tested, left.seen) == ("undecided", False, "It was left out.")


def test_layers_that_hold_only_the_final_answer_have_no_algorithm():
    rows = [one for one in GOOD if one["metric"] != "unexplained"]
    rows.append(row("m", "matching", "unexplained", float("nan"), site="gd", head="linear"))
    assert outcomes(rows)["one algorithm"] == "fails"
