"""Claims: a pair asks one query after two prompts' examples, and no other prompt shares either."""

from dataclasses import replace

import pytest
import torch

from probe import tasks
from probe.errors import ProbeError
from probe.evidence.causes.pairs import answer, linear_answers, pairs, readings
from probe.randomness import PromptSource


def test_a_pair_shares_its_query_and_nothing_else(random_experiment):
    experiment, pass_, _ = random_experiment("M1")
    found = list(pairs(experiment, replace(pass_, batch=16)))
    assert [pair.numbers for pair in found] == [range(16), range(16, 32)]
    own, donor = (torch.cat([getattr(pair, name) for pair in found]) for name in ("own", "donor"))
    drawn = experiment.task.draw(PromptSource(pass_.seed, "score", range(64)), 4)
    assert torch.equal(own, drawn.inputs[:32])
    assert torch.equal(donor[:, :-1], drawn.inputs[32:, :-1])
    assert torch.equal(donor[:, -1], own[:, -1])
    assert torch.equal(torch.cat([pair.target for pair in found]), drawn.targets[:32, -1, 0].double())


def test_answers_and_readings_are_the_models_and_the_heads(random_experiment):
    from probe.capture import capture

    experiment, pass_, heads = random_experiment("M1")
    pair = next(pairs(experiment, pass_))
    captured = capture(experiment.model, pair.own, torch.tensor([8]))
    found = readings(experiment, heads, captured.stream)
    torch.testing.assert_close(answer(experiment, pair.own), captured.output[:, 0, 0].double())
    torch.testing.assert_close(found["lens"][-1], captured.output[:, 0, 0].double())
    expected = captured.stream[1, 2, 0].double() @ heads.weight[1, 0, :, 0] + 1
    torch.testing.assert_close(linear_answers(heads, captured.stream)[1, 2], expected)


def test_a_task_without_a_number_to_predict_is_refused(random_experiment):
    experiment, pass_, _ = random_experiment("M1")
    task = "linear_classification"
    other = replace(experiment, task=tasks.make(task, 3), task_name=task)
    with pytest.raises(ProbeError, match="linear_classification was given"):
        next(pairs(other, pass_))
