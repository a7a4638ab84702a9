"""Claims: x, s and y have coordinates of their own, s and y are trained, and y may rest on the model's own s."""

import pytest
import torch

from probe.errors import ProbeError
from probe.randomness import BatchSource, PromptSource
from probe.tasks import ChainOfThought

DRAWS = [[[1, 0], [0, 1]]], [[3, 5]], [[[2, -1], [-1, 4]]]


def test_the_worked_example(planted):
    """With W = ((1, 0), (0, 1)), v = (3, 5) and x = (2, -1), s = (2, 0) and y = 6."""
    task = ChainOfThought(2, hidden=2)
    prompts = task.draw(planted(*DRAWS), 1)
    tokens = [[2, -1, 0, 0, 0], [0, 0, 2, 0, 0], [0, 0, 0, 0, 6], [-1, 4, 0, 0, 0], [0, 0, 0, 4, 0]]
    assert prompts.inputs.tolist() == [tokens]
    assert prompts.targets.tolist() == [[[6], [20]]]
    assert prompts.queries.tolist() == [1, 4]
    assert prompts.contexts == (0, 1)
    assert prompts.parameters["steps"].tolist() == [[[2, 0], [0, 4]]]
    assert (task.shape.inputs, task.shape.outputs) == (5, 3)


def test_the_worked_example_without_steps(planted):
    task = ChainOfThought(2, hidden=2, style="plain")
    prompts = task.draw(planted(*DRAWS), 1)
    assert prompts.inputs.tolist() == [[[2, -1, 0], [0, 0, 6], [-1, 4, 0]]]
    assert prompts.targets.tolist() == [[[6], [20]]]
    assert prompts.queries.tolist() == [0, 2]
    assert (task.shape.inputs, task.shape.outputs) == (3, 1)


@pytest.mark.parametrize("hidden", [4, 8, 16])
def test_steps_and_targets_have_variance_dim(hidden):
    """Summed over the coordinates of s; within five standard errors over 4,000 prompts."""
    prompts = ChainOfThought(10, hidden).draw(BatchSource(0, 0, 4000), 4)
    for squares in (prompts.parameters["steps"].double().square().sum(-1), prompts.y.double().square()):
        assert abs(squares.mean() - 10) < 5 * squares.mean(1).std() / 4000**0.5


def perfect(task, prompts, offset=0.0):
    """Outputs that are right at every x and s, but for an offset on s."""
    outputs = torch.randn(*prompts.inputs.shape[:2], task.shape.outputs, generator=torch.Generator().manual_seed(0))
    outputs[:, prompts.queries, -1] = prompts.y
    if task.style == "input_output":
        outputs[:, prompts.queries - 1, : task.hidden] = prompts.parameters["steps"] + offset
    return outputs


@pytest.mark.parametrize("style", ["input_output", "plain"])
def test_the_loss_asks_for_s_at_x_and_for_y_at_s_and_for_nothing_else(style):
    """Right predictions cost nothing, whatever stands in the other outputs; an offset of 2 on s costs 4 hidden."""
    task = ChainOfThought(3, 4, style)
    prompts = task.draw(PromptSource(0, "fit", range(5)), 6)
    assert task.loss(perfect(task, prompts), prompts) < 1e-10
    if style == "input_output":
        assert task.loss(perfect(task, prompts, 2.0), prompts).item() == pytest.approx(16, rel=1e-4)
        wrong = perfect(task, prompts)
        wrong[:, prompts.queries, -1] += 3
        assert task.loss(wrong, prompts).item() == pytest.approx(9, rel=1e-4)


def test_only_y_is_judged_after_the_true_s():
    task = ChainOfThought(3, 4)
    prompts = task.draw(PromptSource(0, "fit", range(5)), 6)
    answers = task.answer(perfect(task, prompts, 2.0)[:, prompts.queries])
    assert task.cost(answers, prompts).sum() < 1e-8


class Adder:
    """Predicts `wrong` for every s, and for y the sum of what s token it reads."""

    def __init__(self, task, wrong):
        self.task, self.wrong, self.lengths = task, wrong, []

    def __call__(self, inputs):
        self.lengths.append(inputs.shape[1])
        outputs = torch.full((*inputs.shape[:2], self.task.shape.outputs), self.wrong)
        outputs[..., -1] = inputs[..., self.task.dim : self.task.dim + self.task.hidden].sum(-1)
        return outputs


def test_recursive_answers_rest_on_the_models_own_s_at_the_query_alone():
    """The model reads its own s there, the true one in every example; a forward for each context."""
    task = ChainOfThought(3, 4)
    prompts = task.draw(PromptSource(0, "fit", range(5)), 6)
    run = Adder(task, 0.5)
    answers = task.recursive(run, prompts, [0, 2, 6])
    assert answers.tolist() == [[[2.0]] * 3] * 5
    assert run.lengths == [20, 2, 8, 20]
    seen = []
    task.recursive(lambda inputs: seen.append(inputs) or Adder(task, 0.5)(inputs), prompts, [2])
    assert torch.equal(seen[1][:, :-1], prompts.inputs[:, :7])
    assert not torch.equal(seen[1][:, -1], prompts.inputs[:, 7])


def test_a_model_that_finds_s_answers_as_after_the_true_s():
    task = ChainOfThought(3, 4)
    prompts = task.draw(PromptSource(0, "fit", range(5)), 6)

    def run(inputs):
        outputs = perfect(task, prompts)[:, : inputs.shape[1]].clone()
        outputs[..., -1] = inputs.sum(-1)
        return outputs

    answers = task.recursive(run, prompts, list(range(7)))
    torch.testing.assert_close(answers, task.answer(run(prompts.inputs)[:, prompts.queries]))


def test_the_plain_style_has_no_steps_to_feed_back():
    task = ChainOfThought(3, 4, "plain")
    prompts = task.draw(PromptSource(0, "fit", range(2)), 3)
    with pytest.raises(ProbeError, match="in the style plain, but its prompts show none"):
        task.recursive(lambda inputs: inputs, prompts, [0])
