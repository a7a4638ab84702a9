"""Claims: each criterion holds and fails where it should; what was not gathered is not judged; all must hold."""

from typing import Any

import pytest

from probe.evidence.criteria import RULES
from probe.evidence.rows import row
from probe.evidence.verdict import CLAIMED, NEEDED, RUNGS, judge

FALLS = [-0.5, -0.5, -0.5, -0.5]


def trend(head: str, falls: list[float], largest: float, noise: float = 0.01) -> list[dict[str, Any]]:
    steps = [
        row("m", "trend", "step", fall, fall - noise, fall + noise, head=head, layer=layer)
        for layer, fall in enumerate(falls, start=1)
    ]
    rows = [*steps, row("m", "trend", "largest_fall", largest, largest - 0.03, largest + 0.03, head=head)]
    line = row("m", "trend", "stretch_favours_line", 9.0, 7.0, 11.0, head=head)
    return [*rows, line] if head == "read" else rows


def stepped(line: float, noise: float) -> list[dict[str, Any]]:
    """A curve of which a straight line is by so much a better description than a single step."""
    return [
        one | {"value": line, "low": line - noise, "high": line + noise} if "favours" in one["metric"] else one
        for one in trend("read", FALLS, 0.25)
    ]


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


def loop(
    kept: float, acts: float = 0.5, following: float = 0.5, noise: float = 0.01, writers: int = 5
) -> list[dict[str, Any]]:
    """Answers of five layers that later ones take back down to a share, and on which the next layer depends."""

    def one(metric: str, value: float, layer: int, other: int | None, head: str) -> dict[str, Any]:
        site, band = "exchanged at all tokens", (value - noise, value + noise)
        return row("m", "loop", metric, value, *band, site=site, head=head, layer=layer, other_layer=other)

    return [
        each
        for layer in range(1, 6)
        for each in (
            one("share", acts, layer, None, "model"),
            one("response", min(acts, 0.5 - following), layer, layer + 1, "read"),
            one("carry", following, layer, layer + 1, "read"),
            one("kept", kept, layer, 6, "read"),
            one("taken back", 0.3 if writers >= layer else 0.0, layer, layer + 1, "read"),
        )
    ]


def leak(error: float, noise: float = 0.02) -> list[dict[str, Any]]:
    return [row("m", "nulls", "error", error, error - noise, error + noise, site="shuffled_targets", layer=2)]


def inputs(error: float, noise: float = 0.02) -> list[dict[str, Any]]:
    return [row("m", "curve", "error", error, error - noise, error + noise, head="linear", layer=0)]


GOOD = [
    *(one for head in ("read", "frozen", "calibrated") for one in trend(head, FALLS, 0.25)),
    *matching([0, 1, 2, 3, 4], 0.05),
    *nulls("untrained", 0.8),
    *nulls("fixed_function", 0.9),
    *loop(0.3),
    *leak(1.0),
    *inputs(1.0),
]


TESTED = [rule for rule in RULES if rule.evidence in {one["evidence"] for one in GOOD}]


def outcomes(rows: list[dict[str, Any]]) -> dict[str, str]:
    return {one.name: one.outcome for one in judge(rows, {}).criteria if one.tested}


def test_a_claim_is_supported_where_all_that_was_tested_holds():
    assert set(outcomes(GOOD).values()) == {"holds"}
    verdict = judge(GOOD, {})
    assert verdict.supported
    assert (verdict.outcome, verdict.rung) == ("supported", "named family")
    assert verdict.sentence.startswith(f"Supported: {RUNGS['named family']} (rung: named family)")
    without = [one for one in GOOD if one["site"] != "fixed_function"]
    assert judge(without, {}).supported
    assert "beyond one fixed function" in judge(without, {}).sentence.partition("Not tested: ")[2]


def test_what_is_above_the_claim_does_not_decide_it():
    for name in ("no algorithm", "a wandering direction", "a rise"):
        verdict = judge(replaced(WORSE[name][1]), {})
        assert verdict.supported
    rung = judge(replaced(WORSE["no algorithm"][1]), {})
    assert rung.rung == "closed loop"
    assert "one map" in rung.against or "a named family" in rung.against


WORSE: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "one large step": ("gradual fall", trend("read", [-3.0, -0.2, -0.2, -0.2], 0.83)),
    "too few steps": ("gradual fall", trend("read", [-1.0, -1.0, 0.0, 0.0], 0.5)),
    "a rise": ("lens", trend("calibrated", [-1.0, 0.5, -1.0, -1.0], 0.34)),
    "a wandering direction": ("one direction", trend("frozen", [0.0, 0.0, 0.0, -2.0], 1.0)),
    "a single step": ("gradual fall", stepped(-9.0, 2.0)),
    "no algorithm": ("a named family", matching([0, 1, 2, 3, 4], 0.28)),
    "other weights": ("a named family", matching([0, 1, 2, 3, 4], 0.05, weights=0.28)),
    "steps back": ("a named family", matching([0, 1, 3, 2, 4], 0.05)),
    "two steps": ("a named family", matching([0, 0, 0, 1, 1], 0.05)),
    "no gain": ("beyond an untrained model", nulls("untrained", 0.0, 0.03)),
    "little selectivity": ("beyond one fixed function", nulls("fixed_function", 0.35)),
    "an answer that is not used": ("used by later blocks", loop(0.3, acts=0.0)),
    "an open loop": ("closed loop", loop(1.0)),
    "answers that are fixed": ("closed loop", loop(1.3)),
    "answers that are written over": ("closed loop", loop(0.0, following=0.0)),
    "a solver at the end": ("closed loop", loop(0.3, writers=2)),
    "a leak": ("no leak between prompts", leak(0.9)),
    "telling inputs": ("inputs alone", inputs(0.9)),
}


UNKNOWN: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "a rise that is not excluded": ("lens", trend("calibrated", FALLS, 0.25, noise=0.8)),
    "falls that may be none": ("gradual fall", trend("read", [-0.2] * 4, 0.25, noise=0.25)),
    "a fall that may be most of all": ("one direction", trend("frozen", [-2.0, -0.3, -0.3, -0.3], 0.74)),
    "a distance on both sides": ("a named family", matching([0, 1, 2, 3, 4], 0.24)),
    "weights on both sides": ("a named family", matching([0, 1, 2, 3, 4], 0.05, weights=0.24)),
    "a wide distance": ("a named family", matching([0, 1, 2, 3, 4], 0.5, noise=0.4)),
    "a gain within noise": ("beyond an untrained model", nulls("untrained", 0.05)),
    "a wide gain": ("beyond one fixed function", nulls("fixed_function", 0.55)),
    "a response on both sides": ("used by later blocks", loop(0.3, acts=0.06, following=0.5, noise=0.05)),
    "a share that may be left": ("closed loop", loop(0.88, noise=0.05)),
    "a line on both sides": ("gradual fall", stepped(-5.0, 2.0)),
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
    verdict, rung = judge(replaced(rows), {}), next(rule.rung for rule in RULES if rule.name == open_)
    assert verdict.supported is (rung not in CLAIMED)
    assert verdict.of(rung) == "undecided" or rung == "shown"
    if rung in CLAIMED:
        assert verdict.outcome == "undecided"
        assert verdict.sentence.startswith("Undecided")
        assert f"Too few prompts to decide: {open_}." in verdict.sentence
        assert verdict.against.startswith(f"{open_} undecided: ")


def test_what_cannot_be_excluded_is_named():
    rows = trend("calibrated", FALLS, 0.25)
    rows[1] = rows[1] | {"value": 0.0, "low": -0.8, "high": 0.8}
    seen = next(one.seen for one in judge(replaced(rows), {}).criteria if one.name == "lens")
    assert "cannot exclude x 2.23 at block 2" in seen


@pytest.mark.parametrize("rule", [rule.name for rule in TESTED])
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


@pytest.mark.parametrize("rule", TESTED, ids=lambda rule: rule.name)
def test_evidence_without_a_band_is_never_a_hold(rule):
    rows = [one | {"low": None, "high": None} if one["evidence"] == rule.evidence else one for one in GOOD]
    assert outcomes(rows)[rule.name] == "undecided"


def test_blocks_that_lower_an_error_are_counted_by_their_bands_and_not_by_their_values():
    rows = [one | {"high": 0.01} if one["metric"] == "step" and one["head"] == "read" else one for one in GOOD]
    assert outcomes(rows)["gradual fall"] == "undecided"


@pytest.mark.parametrize("name", WORSE)
def test_each_criterion_can_fail_and_with_it_the_claim(name):
    failing, worse = WORSE[name]
    rows = replaced(worse)
    found = outcomes(rows)
    assert found.pop(failing) == "fails"
    assert set(found.values()) == {"holds"}
    verdict, rung = judge(rows, {}), next(rule.rung for rule in RULES if rule.name == failing)
    assert verdict.supported is (rung not in CLAIMED)
    assert verdict.of(rung) == "fails"
    if rung in CLAIMED:
        assert verdict.outcome == "not supported"
        assert f"({failing})" in verdict.sentence
        assert verdict.against.startswith(f"{failing} fails: ")
        assert list(RUNGS).index(rung) == (list(RUNGS).index(verdict.rung) + 1 if verdict.rung else 0)


@pytest.mark.parametrize("name", sorted(rule.name for rule in RULES if rule.name in NEEDED and rule.rung in CLAIMED))
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
    assert outcomes(rows)["a named family"] == "fails"


def test_a_named_family_is_said_beside_what_no_algorithm_explains():
    ceiling = [
        row("m", "matching", metric, value, value, value, site="free_filter", head="linear")
        for metric, value in (("unexplained", 0.07), ("nonlinear", 0.321))
    ]
    (seen,) = [one.seen for one in judge([*GOOD, *ceiling], {}).criteria if one.name == "a named family"]
    assert "a free filter of the spectrum leaves 0.07" in seen
    assert seen.index("32.1% of the squares of the answers is not linear in the query") > 0
