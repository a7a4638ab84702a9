"""Claims: a step counts where its whole band does, not where its estimate does."""

from typing import Any

import pytest

from probe.evidence.rows import row
from probe.evidence.verdict import judge


def gradual(noise: float) -> str:
    """Returns the outcome for a curve whose four blocks each lower the log error by 0.5, give or take the noise."""
    rows: list[dict[str, Any]] = [
        row("m", "trend", "step", -0.5, -0.5 - noise, -0.5 + noise, head="linear", layer=layer) for layer in range(1, 5)
    ]
    rows.append(row("m", "trend", "largest_fall", 0.25, 0.2, 0.3, head="linear"))
    return next(one.outcome for one in judge(rows, {}).criteria if one.name == "gradual fall")


@pytest.mark.parametrize(("noise", "holds"), [(0.1, True), (0.4, True), (0.41, False), (2.0, False)])
def test_falls_within_noise_are_no_steps(noise, holds):
    assert (gradual(noise) == "holds") is holds


def outcome(name: str, rows: list[dict[str, Any]]) -> str:
    return next(one.outcome for one in judge(rows, {}).criteria if one.name == name)


@pytest.mark.parametrize(("value", "noise", "holds"), [(0.6, 0.05, True), (0.6, 0.15, False), (0.45, 0.01, False)])
def test_a_gain_is_more_than_asked_for_with_its_whole_band(value, noise, holds):
    """At every layer; and half of the layers do."""
    band = value, value - noise, value + noise
    names = {"site": "fixed_function", "head": "linear"}
    rows = [row("m", "nulls", "gain", *band, **names, layer=layer) for layer in range(5)]
    assert (outcome("beyond one fixed function", rows) == "holds") is holds
    half = [*rows[:3], *(row("m", "nulls", "gain", 0.9, 0.8, 1.0, **names, layer=layer) for layer in (3, 4))]
    assert outcome("beyond one fixed function", half) == "holds"


@pytest.mark.parametrize(("value", "noise", "holds"), [(1.0, 0.02, True), (0.94, 0.005, False), (0.8, 0.1, False)])
def test_a_leak_is_an_error_below_that_of_knowing_nothing(value, noise, holds):
    band = value, value - noise, value + noise
    rows = [row("m", "nulls", "error", *band, site="shuffled_targets", layer=1)]
    assert (outcome("no leak between prompts", rows) == "holds") is holds


@pytest.mark.parametrize(("shares", "holds"), [([0.0, 0.0, 0.3, 0.3], True), ([0.0, 0.0, 0.0, 0.3], False)])
def test_what_is_used_is_used_at_half_of_the_layers(shares, holds):
    rows = [
        row("m", "loop", "share", share, share - 0.01, share + 0.01, site="exchanged at query", layer=layer)
        for layer, share in enumerate(shares, start=1)
    ]
    assert (outcome("used by later blocks", rows) == "holds") is holds


@pytest.mark.parametrize(("last", "expected"), [(0.5, "holds"), (0.0, "fails"), (0.05, "undecided")])
def test_a_layer_is_used_through_later_ones_that_are(last, expected):
    """What stands at the first three is corrected away before the end; the last one acts on the answer, or does not."""
    names = {"site": "exchanged at query", "head": "read"}
    shares = [0.0, 0.0, 0.0, last]
    rows = [
        row("m", "loop", "share", share, share - 0.01, share + 0.01, site="exchanged at query", layer=layer)
        for layer, share in enumerate(shares, start=1)
    ]
    rows += [
        row("m", "loop", "carry", 0.3, 0.2, 0.4, **names, layer=layer, other_layer=layer + 1) for layer in range(1, 4)
    ]
    assert outcome("used by later blocks", rows) == expected


@pytest.mark.parametrize(
    ("kept", "expected"),
    [
        ([0.5, 0.6, 0.7], "holds"),
        ([0.5, 0.6, 0.95], "fails"),
        ([0.5, 0.6, 0.7, 1.0, 1.0], "holds"),
        ([0.5, 0.6, 0.7, 1.0, 1.0, 1.0, 1.0], "fails"),
        ([0.5, 0.6], "undecided"),
        ([1.0, 1.0], "fails"),
    ],
)
def test_a_loop_is_closed_at_three_layers_and_at_half_of_them(kept, expected):
    """Of a model with two layers between the first and the last, nothing is known where both are corrected."""
    names = {"site": "exchanged at query", "head": "read"}
    rows = [
        row("m", "loop", metric, value, value - 0.01, value + 0.01, **names, layer=layer, other_layer=layer + 1)
        for layer, share in enumerate(kept, start=1)
        for metric, value in (("kept", share), ("carry", 0.5), ("taken back", 0.5))
    ]
    assert outcome("closed loop", rows) == expected


@pytest.mark.parametrize(("value", "noise", "holds"), [(0.3, 0.05, False), (0.0, 0.05, True)])
def test_a_block_that_raises_the_error_by_a_third_is_a_rise(value, noise, holds):
    steps = [row("m", "trend", "step", -0.5, -0.6, -0.4, head="linear", layer=layer) for layer in range(1, 5)]
    steps.append(row("m", "trend", "step", value, value - noise, value + noise, head="linear", layer=5))
    steps.append(row("m", "trend", "largest_fall", 0.25, 0.2, 0.3, head="linear"))
    assert (outcome("gradual fall", steps) == "holds") is holds
