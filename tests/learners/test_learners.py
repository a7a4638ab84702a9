"""Claims: every learner is named with options, keeps the contract, and depends on its own prompt alone."""

from dataclasses import replace

import pytest
import torch

from probe.errors import ProbeError
from probe.learners import LEARNERS, Examples, IterativeLearner, LeastSquares, LinearLearner, make

ITERATIVE = [name for name, kind in LEARNERS.items() if issubclass(kind, IterativeLearner)]
LINEAR = [name for name, kind in LEARNERS.items() if issubclass(kind, LinearLearner) and name not in ITERATIVE]
PRIOR = {"discrete_posterior"}
"""Learners that answer something without examples."""
QUICK = {"network": "network:steps=3,hidden=4", "boosting": "boosting:trees=2"}


@pytest.fixture(params=LEARNERS)
def learner(request):
    if request.param == "boosting":
        pytest.importorskip("xgboost", reason="xgboost is the optional extra boosting")
    return make(QUICK.get(request.param, request.param))


def _named(learner) -> str:
    return next(name for name, kind in LEARNERS.items() if type(learner) is kind)


def told(examples: Examples) -> Examples:
    """The same examples with what a task may tell."""
    clean = torch.arange(examples.count) % 3 != 1
    return replace(examples, noise=torch.full((len(examples.x),), 0.3), clean=clean.expand(len(examples.x), -1))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("count", [0, 1, 3, 9])
def test_a_prediction_is_a_number_in_the_dtype_of_y_and_without_examples_the_priors(learner, draw, count, dtype):
    given, query = draw(count)
    examples = told(Examples(given.x.to(dtype), given.y.to(dtype)))
    predicted = learner.predict(examples, query.to(dtype))
    assert predicted.shape == (6,) and predicted.dtype == dtype
    assert predicted.isfinite().all() and not predicted.requires_grad
    assert bool(predicted.any()) == (count > 0 or _named(learner) in PRIOR)


def test_a_prediction_depends_on_its_own_prompt_alone(learner, draw):
    given, query = draw(5)
    examples = told(given)
    alone = Examples(given.x[2:3], given.y[2:3], examples.noise[2:3], examples.clean[2:3])
    together = learner.predict(examples, query)[2:3]
    assert torch.allclose(learner.predict(alone, query[2:3]), together, rtol=1e-9, atol=1e-12)


def test_inputs_that_are_all_zero_are_learned_from_as_well(learner):
    """A curriculum sets coordinates to 0, at worst all of them."""
    examples = told(Examples(torch.zeros(2, 3, 4), torch.ones(2, 3)))
    predicted = learner.predict(examples, torch.ones(2, 4))
    assert predicted.isfinite().all()
    if isinstance(learner, LinearLearner) and _named(learner) not in PRIOR:
        assert not predicted.any()


@pytest.mark.parametrize("name", [*LINEAR, *ITERATIVE])
def test_a_linear_learner_predicts_by_its_weights(draw, name):
    given, query = draw(5)
    learner = make(name)
    weights = learner.weights(told(given))
    assert weights.dtype == torch.float64
    assert torch.allclose(learner.predict(told(given), query), (weights * query).sum(-1))


@pytest.mark.parametrize("name", ITERATIVE)
def test_an_iterative_learner_starts_at_zero_and_ends_at_its_weights(draw, name):
    given, _ = draw(5)
    learner = make(name)
    iterates = learner.iterates(given)
    steps = getattr(learner, "steps", given.count)
    assert iterates.shape == (steps + 1, 6, 4)
    assert not iterates[0].any()
    assert torch.equal(iterates[-1], learner.weights(given))
    if "steps" in vars(learner):
        assert torch.equal(replace(learner, steps=3).iterates(given), iterates[:4])


def test_linear_and_iterative_learners_are_those_expected():
    assert {"gd", "gd_plus_plus", "online_gd", "newton", "conjugate_gradient"} <= set(ITERATIVE)
    assert {"least_squares", "masked_least_squares", "ridge", "lasso", "averaging"} <= set(LINEAR)
    assert not {"knn", "network", "tree", "boosting"} & {*LINEAR, *ITERATIVE}


def test_a_text_names_a_learner_and_what_is_wrong_is_said():
    assert make("least_squares") == LeastSquares()
    with pytest.raises(
        ProbeError, match=r"^No learner is called 'lest_squares'\. Did you mean least_squares\? Learners:"
    ):
        make("lest_squares")
    with pytest.raises(ProbeError, match=r"no option 'steps=3'. It has none\."):
        make("averaging:steps=3")


@pytest.mark.parametrize(
    "text",
    [
        "ridge:penalty=-1",
        "lasso:penalty=0",
        "lasso:tolerance=-1",
        "gd:rate=-1",
        "gd_plus_plus:rate=0",
        "online_gd:rate=0",
    ],
)
def test_options_out_of_range_are_refused(text):
    with pytest.raises(ProbeError, match=r"but it needs (.* or )?a (positive number|number of at least 0)"):
        make(text)
