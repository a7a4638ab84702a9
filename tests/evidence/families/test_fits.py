"""Claims: fits find the numbers behind a model's layers, forgive its own error, and leave what no family explains."""

from itertools import pairwise

import pytest
import torch

from probe.evidence.answers import ask
from probe.evidence.families import FAMILIES
from probe.evidence.families.fit import fit
from probe.evidence.free_filter import free_filter
from probe.evidence.matching import final_answer, match

DIM, BLOCKS, CONTEXT = 3, 6, 10


@pytest.fixture(scope="module")
def asked(planted_experiment):
    """Returns what a planted model's own decoder answers at every layer, on selection and on score prompts."""

    def make(algorithm, error=0.0):
        experiment, _ = planted_experiment(algorithm)
        readings = {"lens": lambda stream: experiment.model.decode(stream)[..., 0]}
        both = [ask(experiment, readings, CONTEXT, 2 * DIM + 2, 0, purpose, 64) for purpose in ("select", "score")]
        for seed, one in enumerate(both):
            drawn = torch.randn(one.targets.shape, generator=torch.Generator().manual_seed(seed)).double()
            own = torch.linspace(0, 1, BLOCKS + 1, dtype=torch.float64)
            one.answers["lens"] += error * own[:, None, None] * drawn
        return both

    return make


def test_the_rates_of_gradient_descent_that_slows_down_are_found(asked):
    """That of the first block is free: one step of any length points the same way, and layers are scaled."""
    selected, _ = asked("decreasing")
    rates = fit(FAMILIES["gd_per_block"], selected, "lens").numbers["rate"]
    assert all(later < earlier for earlier, later in pairwise(rates[2:]))


@pytest.mark.parametrize(
    ("algorithm", "family"),
    [("decreasing", "gd_per_block"), ("momentum", "momentum"), ("recency", "recency_gd"), ("at_pairs", "causal_gd")],
)
def test_a_planted_algorithm_is_explained_by_its_family(asked, algorithm, family):
    selected, scored = asked(algorithm)
    found = {one.algorithm: one for one in match(selected, scored, ["lens"], fit_for=["lens"])["lens"]}
    null = final_answer(selected, scored, "lens")
    assert found[family].unexplained(null).high < 0.01
    assert found[family].steps.tolist() == list(range(BLOCKS + 1))


def test_the_models_own_error_is_no_algorithms_fault(asked):
    """It grows from layer to layer up to a third of y."""
    selected, scored = asked("gradient", error=0.3)
    first = match(selected, scored, ["lens"], fit_for=["lens"])["lens"][0]
    null = final_answer(selected, scored, "lens")
    assert first.unexplained(null).high < 0.02
    torch.testing.assert_close(
        first.shares[2:], torch.linspace(0, 1, BLOCKS + 1, dtype=torch.float64)[2:], atol=0.1, rtol=0
    )


@pytest.mark.parametrize("algorithm", ["solve", "coordinate", "gather"])
def test_no_family_explains_what_is_no_algorithm_step_by_step(asked, algorithm):
    """Nothing is left to explain where layers hold nothing or the whole answer; a coordinate a block is no filter."""
    selected, scored = asked(algorithm)
    null = final_answer(selected, scored, "lens")
    for one in match(selected, scored, ["lens"], fit_for=["lens"])["lens"]:
        if algorithm == "coordinate":
            assert one.unexplained(null).low > 0.25
        else:
            assert len(set(one.steps.tolist())) < 3 or null.spd.estimate().max() < 1e-10


def test_a_free_filter_explains_every_filter_and_no_coordinate(asked):
    for algorithm in ("gradient", "momentum", "open_loop", "coordinate"):
        selected, scored = asked(algorithm)
        null = final_answer(selected, scored, "lens").spd.estimate().sum()
        left = (free_filter(selected, scored, "lens", 0).spd.estimate().sum() / null).item()
        assert (left < 0.05) is (algorithm != "coordinate")


def test_families_are_ranked_on_the_selection_prompts_and_told_apart_on_the_others(asked):
    selected, scored = asked("momentum")
    found, null = match(selected, scored, ["lens"], fit_for=["lens"])["lens"], final_answer(selected, scored, "lens")
    assert [one.chosen_on for one in found] == sorted(one.chosen_on for one in found)
    assert found[0].algorithm == "momentum"
    plain = next(one for one in found if one.algorithm == "gd_per_block").beyond(found[0], null)
    assert plain.low > 0
    itself = found[0].beyond(found[0], null)
    assert (itself.low, itself.value, itself.high) == (0, 0, 0)


def test_a_free_filter_is_fitted_on_the_selection_prompts_alone(asked):
    selected, scored = asked("gradient")
    scored.answers["lens"][3] *= 2
    left = free_filter(selected, scored, "lens", 0).spd.estimate()
    own = scored.answers["lens"][3].square().sum() / scored.targets.square().sum()
    torch.testing.assert_close(left[3], own / 4, atol=0.02, rtol=0)
    assert left[[1, 2, 4, 5, 6]].max() < 0.02
