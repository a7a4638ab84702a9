"""Claims: an algorithm that was fixed on some prompts predicts a model on others, where only the model's own does."""

from dataclasses import replace

import pytest
import torch

from probe.evidence.answers import ask
from probe.evidence.beyond import NOISE, SMALLEST, changes
from probe.evidence.matching import final_answer, match
from probe.randomness import PromptSource
from probe.tasks import make
from probe.tasks.prompts import interleave

DIM, CONTEXT = 3, 10


@pytest.fixture(scope="module")
def shifted(planted_experiment):
    """Returns a planted model's answers in distribution, twice, and on every other kind of prompt."""

    def make_all(algorithm):
        experiment, _ = planted_experiment(algorithm)
        readings = {"lens": lambda stream: experiment.model.decode(stream)[..., 0]}

        def asked(purpose, change=None):
            return ask(experiment, readings, CONTEXT, 2 * DIM + 2, 0, purpose, 64, change=change)

        elsewhere = {name: asked("score", change) for name, change in changes(experiment, 0).items()}
        return asked("select"), asked("score"), elsewhere

    return make_all


def drawn(planted_experiment):
    experiment, _ = planted_experiment("gradient")
    return experiment, experiment.task.draw(PromptSource(0, "score", range(4)), CONTEXT)


def test_gradient_descent_predicts_itself_on_every_kind_of_prompt(shifted):
    selected, scored, elsewhere = shifted("gradient")
    found, null = match(selected, scored, ["lens"])["lens"][0], final_answer(selected, scored, "lens")
    assert set(elsewhere) == {"scaled", "rotated", "conditioned", "noisy"}
    for asked in elsewhere.values():
        assert found.elsewhere(asked, "lens", null).high < 1e-4


def test_what_fits_by_chance_of_the_inputs_does_not_predict_elsewhere(shifted):
    """A ridge path is near to gradient descent where inputs are isotropic, and further off where they are not."""
    selected, scored, elsewhere = shifted("gradient")
    null = final_answer(selected, scored, "lens")
    ridge = next(one for one in match(selected, scored, ["lens"])["lens"] if one.algorithm == "ridge")
    assert ridge.elsewhere(elsewhere["conditioned"], "lens", null).value > 1e-3


def test_every_change_is_what_it_says(planted_experiment):
    experiment, prompts = drawn(planted_experiment)
    of = {name: change(prompts, range(4)) for name, change in changes(experiment, 0).items()}
    w = prompts.parameters["w"]
    for name in ("rotated", "conditioned"):
        torch.testing.assert_close(of[name].y, torch.einsum("pnd,pd->pn", of[name].x, w), atol=1e-5, rtol=1e-5)
        assert not torch.allclose(of[name].x, prompts.x)
    torch.testing.assert_close(of["rotated"].x.norm(dim=-1), prompts.x.norm(dim=-1))
    torch.testing.assert_close(of["conditioned"].x[..., -1], SMALLEST * prompts.x[..., -1])
    torch.testing.assert_close(of["scaled"].targets, 2 * prompts.targets)
    noise = of["noisy"].y - prompts.y
    assert (noise / prompts.y.square().mean(1, keepdim=True).sqrt()).std() == pytest.approx(NOISE, rel=0.3)
    assert torch.equal(of["noisy"].targets, prompts.targets)
    for one in of.values():
        assert torch.equal(one.inputs, interleave(one.x, one.y))


def test_noise_follows_from_a_prompts_number(planted_experiment):
    experiment, prompts = drawn(planted_experiment)
    change = changes(experiment, 0)["noisy"]
    whole, later = change(prompts, range(4)), experiment.task.draw(PromptSource(0, "score", range(2, 4)), CONTEXT)
    part = change(later, range(2, 4))
    torch.testing.assert_close(part.y, whole.y[2:])


def test_a_task_that_is_linear_in_nothing_is_not_changed(planted_experiment):
    experiment, _ = planted_experiment("gradient")
    assert changes(replace(experiment, task=make("relu_network", DIM)), 0) == {}
    assert changes(replace(experiment, task=make("cubic", DIM)), 0) == {}
