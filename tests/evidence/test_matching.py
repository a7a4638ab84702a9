"""Claims: layers that run gradient descent are matched with its steps, and other ways to the same end are not."""

import pytest
import torch

from probe import checkpoints
from probe.capture import NativeModel
from probe.config import FitConfig
from probe.evidence.answers import Asked, ask, induced_weights, third
from probe.evidence.matching import final_answer, match
from probe.learners import Examples, LeastSquares
from probe.learners.discrete_posterior import posterior_mean
from probe.models.controls import planted_model
from probe.probing.prepare import prepare
from probe.tasks.linear import Linear

DIM, BLOCKS, CONTEXT = 3, 6, 10


def asked(algorithm, tmp_path, purpose, task="linear"):
    path = tmp_path / f"{algorithm}.pt"
    about = {"task": "linear", "arch": algorithm, "dim": DIM, "context": CONTEXT, "seed": 0, "step": 0, "command": ""}
    checkpoints.save(path, planted_model(algorithm, DIM, BLOCKS), about)
    config = FitConfig(ckpt=(str(path),), task=task, head=("lens",), context=str(CONTEXT))
    experiment = prepare(config)[0]
    assert isinstance(experiment.model, NativeModel)

    def lens(stream):
        return experiment.model.decode(stream)[..., 0]

    return ask(experiment, {"lens": lens}, CONTEXT, 2 * DIM, 0, purpose, 64)


@pytest.fixture(scope="module")
def matches(tmp_path_factory):
    found = {}
    for algorithm in ("gradient", "solve", "coordinate", "gather"):
        folder = tmp_path_factory.mktemp(algorithm)
        both = asked(algorithm, folder, "select"), asked(algorithm, folder, "score")
        found[algorithm] = [*match(*both, ["lens"])["lens"], final_answer(*both, "lens")]
    return found


@pytest.fixture(scope="module")
def nulls(matches):
    return {algorithm: found[-1] for algorithm, found in matches.items()}


def test_a_stack_of_gradient_steps_is_matched_step_by_step(matches):
    first = matches["gradient"][0]
    assert (first.algorithm, first.setting.partition("rate=")[2]) == ("gd", "inverse_lipschitz")
    assert first.steps.tolist() == list(range(BLOCKS + 1))
    assert first.rate == pytest.approx(1)
    assert first.spd.estimate().max() < 1e-8
    assert first.ilwd.estimate().max() < 1e-8
    assert first.similarity_errors[1:].min() > 0.999
    assert first.similarity_weights[1:].min() > 0.999
    torch.testing.assert_close(first.scales[1:], torch.ones(BLOCKS, dtype=torch.float64), rtol=1e-5, atol=0)
    assert first.unscaled.estimate().max() < 1e-8


def test_only_gradient_steps_come_nearer_to_the_layers_than_the_final_answer_scaled(matches, nulls):
    """For one coordinate after another no algorithm does; a one-shot solver leaves nothing to explain."""
    assert matches["gradient"][0].unexplained(nulls["gradient"]).high < 1e-6
    assert matches["gradient"][0].unexplained_weights(nulls["gradient"]).high < 1e-6
    coordinate = matches["coordinate"][0]
    assert coordinate.unexplained(nulls["coordinate"]).low > 0.9
    assert coordinate.unexplained_weights(nulls["coordinate"]).low > 0.5
    for algorithm in ("solve", "gather"):
        assert nulls[algorithm].spd.estimate().max() < 1e-10


def test_a_scaled_stack_of_gradient_steps_is_still_matched_step_by_step(tmp_path):
    """A head fitted to y scales what it reads; the steps and the factor are both found."""
    both = [asked("gradient", tmp_path, purpose) for purpose in ("select", "score")]
    factors = torch.linspace(2.0, 1.0, BLOCKS + 1, dtype=torch.float64)
    for one in both:
        one.answers["lens"] *= factors[:, None, None]
    first = match(*both, ["lens"])["lens"][0]
    assert first.steps.tolist() == list(range(BLOCKS + 1))
    torch.testing.assert_close(first.scales[1:], factors[1:], rtol=1e-5, atol=0)
    assert first.spd.estimate().max() < 1e-8
    assert first.unscaled.estimate().max() > 0.1


def test_layers_that_hold_noise_alone_stand_at_the_start(tmp_path):
    """Some step is always the closest; of noise it means nothing, and the later steps stay what they are."""
    both = [asked("gradient", tmp_path, purpose) for purpose in ("select", "score")]
    for seed, one in enumerate(both):
        noise = torch.randn(one.answers["lens"][:2].shape, generator=torch.Generator().manual_seed(seed))
        one.answers["lens"][:2] = 0.1 * noise.double()
    first = match(*both, ["lens"])["lens"][0]
    assert first.steps.tolist() == [0, 0, *range(2, BLOCKS + 1)]
    assert first.scales[:2].tolist() == [0, 0]


@pytest.mark.parametrize("algorithm", ["solve", "gather"])
def test_a_one_shot_solver_has_no_step_in_between(matches, algorithm):
    """Its layers hold nothing or the whole solution, which is where every algorithm starts and ends."""
    steps = next(one for one in matches[algorithm] if one.algorithm == "least_squares").steps
    assert set(steps.tolist()) == {0, 1}
    assert steps.diff().count_nonzero() == 1


def test_one_coordinate_after_another_follows_no_algorithm(matches):
    """Half-way, no step of any algorithm comes nearer than a fifth of what stands there."""
    middle = [layer for layer in range(BLOCKS + 1) if 0 < layer * DIM // BLOCKS < DIM]
    assert len(middle) > 1
    for one in matches["coordinate"]:
        assert one.spd.estimate()[middle].min() > 0.2 / DIM, one.algorithm


@pytest.mark.parametrize("task", ["linear", "quadratic", "cubic"])
def test_algorithms_are_given_what_the_answer_is_linear_in(tmp_path, task):
    found = asked("gradient", tmp_path, "score", task)
    predicted = torch.einsum("pqd,pd->pq", found.queries, LeastSquares().weights(found.examples))
    torch.testing.assert_close(predicted, found.targets, rtol=1e-3, atol=1e-3)


def test_a_setting_that_diverges_is_not_chosen(tmp_path):
    both = [asked("gradient", tmp_path, purpose) for purpose in ("select", "score")]
    for one in both:
        one.examples.x[3] *= 1e3  # a step of 0.05 is far too long there, and GD++ bends its inputs beyond all bounds
    found = match(*both, ["lens"])["lens"]
    assert {"ridge", "least_squares", "gd"} <= {one.algorithm for one in found}
    assert all(one.spd.estimate().isfinite().all() for one in found)
    assert next(one for one in found if one.algorithm == "gd").setting.endswith(("optimal", "inverse_lipschitz"))


def by_condition(whole, which):
    kept = third(whole, which)
    return Asked(
        numbers=[whole.numbers[place] for place in kept],
        examples=Examples(whole.examples.x[kept], whole.examples.y[kept]),
        queries=whole.queries[kept],
        targets=whole.targets[kept],
        answers={name: answers[:, kept] for name, answers in whole.answers.items()},
    )


def test_thirds_by_condition_are_apart_and_keep_what_belongs_together(tmp_path):
    whole = asked("gradient", tmp_path, "score")
    well, ill = by_condition(whole, "well"), by_condition(whole, "ill")
    assert len(well.numbers) == len(ill.numbers) == len(whole.numbers) // 3
    assert not {*well.numbers} & {*ill.numbers}
    assert torch.linalg.cond(well.examples.x).max() < torch.linalg.cond(ill.examples.x).min()
    for place, number in enumerate(ill.numbers):
        assert torch.equal(ill.examples.x[place], whole.examples.x[number])
        assert torch.equal(ill.answers["lens"][:, place], whole.answers["lens"][:, number])
        assert torch.equal(ill.targets[place], whole.targets[number])


def test_gradient_steps_are_found_on_well_and_on_ill_conditioned_inputs(tmp_path):
    both = [asked("gradient", tmp_path, purpose) for purpose in ("select", "score")]
    for which in ("well", "ill"):
        first = match(*(by_condition(one, which) for one in both), ["lens"])["lens"][0]
        assert (first.algorithm, first.steps.tolist()) == ("gd", list(range(BLOCKS + 1)))


def test_induced_weights_are_those_of_linear_answers_and_say_where_answers_are_not():
    generator = torch.Generator().manual_seed(0)
    queries = torch.randn(4, 9, 3, generator=generator, dtype=torch.float64)
    w = torch.randn(2, 4, 3, generator=generator, dtype=torch.float64)
    linear = torch.einsum("pqd,lpd->lpq", queries, w)
    found, explained = induced_weights(queries, linear)
    torch.testing.assert_close(found, w)
    torch.testing.assert_close(explained, torch.ones(2, 4, dtype=torch.float64))
    _, less = induced_weights(queries, linear.abs())
    assert less.max() < 0.9


def test_of_algorithms_that_come_as_close_the_simplest_is_first(tmp_path):
    """Families contain gradient descent at a constant rate, and come as close to it."""
    both = [asked("gradient", tmp_path, purpose) for purpose in ("select", "score")]
    found = match(*both, ["lens"], fit_for=("lens",))["lens"]
    assert found[0].algorithm == "gd"
    others = [one.chosen_on for one in found[1:]]
    assert others == sorted(others)


def test_blocks_that_do_nothing_stand_at_the_step_before(tmp_path):
    """Of an algorithm with a step every two blocks, a family's step is the last one that moved the answer."""
    both = [asked("two_blocks", tmp_path, purpose) for purpose in ("select", "score")]
    found = {one.algorithm: one for one in match(*both, ["lens"], fit_for=("lens",))["lens"]}
    steps = found["gd_per_block"].steps.tolist()
    assert steps == sorted(steps)
    assert len(set(steps)) <= BLOCKS - 1
    assert found["gd_per_block"].unexplained(final_answer(*both, "lens")).high < 0.01


def test_where_the_functions_are_known_their_posterior_is_a_path(tmp_path):
    """From the mean of all of them to the one that fits the examples best."""
    both = [asked("gradient", tmp_path, purpose, "linear:functions=6") for purpose in ("select", "score")]
    known = Linear(dim=DIM, functions=6).known
    found = {one.algorithm: one for one in match(*both, ["lens"], known=known)["lens"]}
    assert "discrete_posterior" in found
    assert "discrete_posterior" not in {one.algorithm for one in match(*both, ["lens"])["lens"]}
    path = found["discrete_posterior"].again(both[0].examples)
    assert path[0].abs().max() == 0
    torch.testing.assert_close(path[1], known.double().mean(0).expand_as(path[1]), atol=0.1, rtol=0)
    nearest = (path[-1][:, None] - known).norm(dim=-1).min(1).values
    assert nearest.max() < 1e-3


def test_layers_that_hold_the_posterior_by_ever_less_noise_are_its_path(tmp_path):
    both = [asked("gradient", tmp_path, purpose, "linear:functions=6") for purpose in ("select", "score")]
    known = Linear(dim=DIM, functions=6).known
    for one in both:
        size = one.examples.y.double().square().mean(1)
        means = [posterior_mean(one.examples, known.double(), variance * size) for variance in (10.0, 1.0, 0.1, 0.01)]
        one.answers["lens"] = torch.einsum(
            "lpd,pqd->lpq", torch.stack([torch.zeros_like(means[0]), *means]), one.queries
        )
    first = match(*both, ["lens"], known=known)["lens"][0]
    assert first.algorithm == "discrete_posterior"
    assert first.unexplained(final_answer(*both, "lens")).high < 0.01
