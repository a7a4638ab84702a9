"""Claims: an official task is ours with its options, at the length the curriculum had come to; departures are noted."""

from pathlib import Path

import pytest

from probe import tasks
from probe.checkpoints.official.settings import Settings
from probe.checkpoints.official.trained import EQUIVALENTS, trained_on
from probe.config import ModelConfig
from probe.errors import ProbeError
from probe.models import ResidualModel

POINTS = {"start": 11, "end": 41, "inc": 2, "interval": 2000}


def settings(task: str, **training: object) -> Settings:
    model = {"family": "gpt2", "n_dims": 20, "vocab_size": 64 if "token" in task else -1}
    given = {"task": task, "task_kwargs": {}, "data": "gaussian", "curriculum": {"points": POINTS}, "batch_size": 64}
    return Settings(Path("config.yaml"), model, {**given, **training})


@pytest.mark.parametrize(
    ("task", "training", "text"),
    [
        ("linear_regression", {}, "linear"),
        ("linear_regression", {"task_kwargs": {"scale": 2}}, "linear:y_scale=2"),
        ("linear_regression", {"data": "skewed_gaussian", "data_kwargs": {"exp": 1}}, "skewed_linear"),
        ("linear_regression", {"data": "skewed_gaussian", "data_kwargs": {"exp": 0.5}}, "skewed_linear:power=0.5"),
        ("sparse_linear_regression", {"task_kwargs": {"sparsity": 3}}, "sparse_linear"),
        ("sparse_linear_regression", {"task_kwargs": {"sparsity": 5}}, "sparse_linear:sparsity=5"),
        ("linear_classification", {}, "linear_classification"),
        ("noisy_linear_regression", {"task_kwargs": {"renormalize_ys": True}}, "noisy_linear:noise=0,renormalise=true"),
        ("quadratic_regression", {}, "quadratic"),
        ("relu_2nn_regression", {"task_kwargs": {"hidden_layer_size": 4}}, "relu_network:hidden=4"),
        ("decision_tree", {"task_kwargs": {"depth": 4}}, "decision_tree"),
        ("sparse_parity", {"task_kwargs": {"k": 3}, "data": "sparse_parity_sampler"}, "sparse_parity:size=3"),
        ("filter_linear_regression", {"data": "filter", "data_sampler_kwargs": {"prob": 0.9}}, "many_outlier"),
        ("filter_linear_regression", {"data": "filter", "data_sampler_kwargs": None}, "many_outlier:probability=0"),
        (
            "filter_ortho_linear_regression",
            {"data": "filter", "data_sampler_kwargs": {"prob": 0.5}},
            "orthogonal_outlier:released=true",
        ),
        ("retrieval", {"data": "gaussian_for_retrieval"}, "vector_retrieval:released=true"),
    ],
)
def test_a_task_is_ours_with_its_options(task: str, training: dict, text: str) -> None:
    found = trained_on(settings(task, **training), None)
    assert (found.task, found.dim, found.notes) == (text, 20, ())
    tasks.make(text, 20)


@pytest.mark.parametrize("task", EQUIVALENTS)
def test_every_official_task_is_one_of_ours(task: str) -> None:
    found = trained_on(settings(task), None)
    tasks.make(found.task, 20)
    assert found.context == {"retrieval": 41, "token_induction_head": 82}.get(task, 40)


def test_what_our_task_does_not_say_is_noted() -> None:
    (note,) = trained_on(settings("linear_regression", data="random_quadrants_gaussian"), None).notes
    assert note == "the task linear leaves out that x was drawn by random_quadrants_gaussian"
    (note,) = trained_on(settings("quadratic_regression", task_kwargs={"scale": 3}), None).notes
    assert note == "the task quadratic leaves out scale = 3"
    (note,) = trained_on(settings("linear_regression", num_tasks=64), None).notes
    assert note == "the task linear leaves out num_tasks = 64"
    (note,) = trained_on(settings("filter_relu_2nn_regression"), None).notes
    assert "outliers" in note


@pytest.mark.parametrize(
    ("step", "context"), [(0, 10), (1999, 10), (2000, 12), (30_000, 40), (500_000, 40), (None, 40)]
)
def test_the_context_is_as_long_as_the_curriculum_had_come(step: int | None, context: int) -> None:
    assert trained_on(settings("linear_regression"), step).context == context


def test_the_training_is_counted_step_by_step() -> None:
    """Against the sum over single steps, across two changes of the length and to the last step."""
    model = ResidualModel(ModelConfig("M1A1", 20, 8))
    points = {"start": 3, "end": 6, "inc": 2, "interval": 4}
    run = settings("linear_regression", curriculum={"points": points}, batch_size=5)
    for step in (0, 3, 4, 9, 20):
        lengths = [2 * min(6, 3 + 2 * (done // 4)) - 1 for done in range(step + 1)]
        expected = sum(3 * 5 * model.cumulative_flops(length)[-1] for length in lengths)
        assert trained_on(run, step).flops(model, run, step) == expected
    assert trained_on(run, None).flops(model, run, None) is None
    still = settings("linear_regression", curriculum={"points": {**points, "inc": 0}}, batch_size=5)
    assert trained_on(still, 10**12).flops(model, still, 10**12) == 15 * model.cumulative_flops(5)[-1] * (10**12 + 1)


def test_an_unknown_task_and_a_missing_curriculum_are_refused() -> None:
    with pytest.raises(ProbeError, match=r"task 'linear_regresion'.*Did you mean linear_regression"):
        trained_on(settings("linear_regresion"), None)
    with pytest.raises(ProbeError, match=r"gives training.curriculum.points.end as None"):
        trained_on(settings("linear_regression", curriculum={}), None)
