"""Claims: states that hold an online learner's weights are told from sums and from algorithms that take all at once."""

from pathlib import Path

import numpy as np
import pytest
import torch

from probe.config import FitConfig
from probe.errors import ProbeError
from probe.evidence.criteria.online import RULES
from probe.evidence.online import follow
from probe.evidence.online_learners import KINDS, held
from probe.evidence.order import order
from probe.evidence.pushes import heads_for_w
from probe.evidence.reading import reading
from probe.heads import make_all
from probe.learners import Examples
from probe.learners.least_squares import LeastSquares
from probe.learners.online_gd import OnlineGradientDescent
from probe.probing.draws import Pass
from probe.probing.measure import measure
from probe.probing.prepare import prepare
from probe.progress import silent

SHIPPED = Path(__file__).parents[2] / "checkpoints"


@pytest.fixture(scope="module")
def examples():
    drawn = np.random.default_rng(0)
    x = torch.from_numpy(drawn.standard_normal((8, 10, 3)))
    return x, torch.einsum("ped,pd->pe", x, torch.from_numpy(drawn.standard_normal((8, 3))))


def of(examples, setting):
    return next(one for one in held(*examples, 3.0) if one.setting == setting).weights


def test_learners_hold_what_their_references_do(examples):
    x, y = examples
    references = {
        "lms:rate=0.5": OnlineGradientDescent(0.5 / 3),
        "normalised_lms:rate=1": OnlineGradientDescent("projection"),
    }
    for setting, learner in references.items():
        expected = learner.iterates(Examples(x, y))[1:].transpose(0, 1)
        torch.testing.assert_close(of(examples, setting), expected)
    light = of(examples, "ridge:penalty=0.001:normalised=0")
    torch.testing.assert_close(light[:, -1], LeastSquares().weights(Examples(x, y)), atol=1e-2, rtol=1e-2)


def test_all_but_the_online_and_the_decaying_learners_hold_the_same_in_every_order(examples):
    x, y = examples
    forwards, backwards = list(held(x, y, 3.0)), list(held(x.flip(1), y.flip(1), 3.0))
    assert {one.learner for one in forwards} == set(KINDS)
    for one, other in zip(forwards, backwards, strict=True):
        same = torch.allclose(one.weights[:, -1], other.weights[:, -1])
        forgets = one.learner in ("recursive_least_squares", "decaying_averaging")
        assert same == (KINDS[one.learner] == "batch" and not forgets)


def experiment_on(control):
    config = FitConfig(
        ckpt=(str(SHIPPED / f"control-{control}.pt"),),
        task="linear",
        head=("linear",),
        context="15",
        prompts=512,
        score=128,
    )
    return prepare(config)[0], Pass.of(config)


@pytest.fixture(scope="module")
def rows(planted_experiment):
    def found(experiment, pass_):
        heads, _ = measure(experiment, make_all(("linear",)), pass_, "y", silent)
        read = reading(experiment, heads["linear"], (heads_for_w(experiment, pass_) or [None])[0], pass_)
        return follow(experiment, pass_).rows("m") + order(experiment, read, pass_).rows("m")

    def make(name):
        planted = name in ("gradient", "solve", "recency", "at_pairs")
        return found(*(planted_experiment(name) if planted else experiment_on(name)))

    known = {}
    return lambda name: known.setdefault(name, make(name))


def value(rows, metric, **wanted):
    (row,) = [one for one in rows if one["metric"] == metric and all(one[name] == its for name, its in wanted.items())]
    return row["value"]


def judged(rows):
    return {rule.name: rule.test(rows)[0] for rule in RULES}


def test_the_delta_rules_state_is_least_mean_squares_over_time(rows):
    """Its steps and its response to another order are that learner's own, at the planted rate of 0.5 / dim."""
    found = rows("delta-rule")
    assert judged(found) == {"online learner": "holds", "online state": "holds"}
    assert value(found, "r2 of steps", site="state at y", head="lms", layer=2) > 0.98
    assert value(found, "order r2", site="order, model", head="lms") > 0.99
    assert value(found, "chosen rate", head="lms") == 0.5
    shares = [value(found, "order over size", head=name) for name in ("model", "lms", "ridge")]
    assert shares[0] == pytest.approx(shares[1], rel=0.05)
    assert shares[2] < 1e-12


def test_a_state_that_sums_is_no_online_learner(rows):
    found = rows("linear-attention")
    assert judged(found) == {"online learner": "fails", "online state": "fails"}
    assert value(found, "r2 of steps", site="state at y", head="averaging", layer=2) > 0.98
    assert value(found, "order over size", head="model") < 1e-8


@pytest.mark.parametrize("algorithm", ["gradient", "solve"])
def test_blocks_that_take_the_examples_at_once_are_no_online_learners(rows, algorithm):
    found = rows(algorithm)
    assert RULES[0].test(found)[0] == "fails"
    assert abs(value(found, "recency", head="model")) < 1e-6
    assert value(found, "weight of a place", head="model", step=1) == pytest.approx(1)
    with pytest.raises(LookupError, match="no state"):
        RULES[1].test(found)


def test_late_pairs_that_count_more_do_not_make_an_online_learner(rows):
    """What gradient descent on weighted examples answers is weighted least squares, which corrects nothing in time."""
    found = rows("recency")
    assert RULES[0].test(found)[0] != "holds"
    assert value(found, "recency", head="read", layer=1) > 0.1
    learners = {name: value(found, "order r2", site="order, model", head=name) for name in KINDS}
    assert max(learners, key=learners.get) == "recursive_least_squares"


def test_steps_behind_a_causal_mask_end_at_one_pass_over_the_pairs(rows):
    """A pair's own weights know the pairs up to it alone: the order matters as it does to an online learner."""
    assert value(rows("at_pairs"), "order r2", site="order, read", head="lms", layer=2) > 0.9
    assert value(rows("at_pairs"), "order r2", site="order, read", head="ridge", layer=2) < 0.01


def test_tasks_without_weights_are_refused(planted_experiment):
    experiment, pass_ = planted_experiment("gradient")
    short = type(experiment)(**(vars(experiment) | {"longest": 1}))
    with pytest.raises(ProbeError, match="at least two examples"):
        follow(short, pass_)
