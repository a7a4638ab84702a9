"""Claims: steering moves the answer by what is asked where the head reads the answer, and by chance hardly at all."""

import torch

from probe.capture import capture
from probe.evidence.causes.pairs import linear_answers
from probe.evidence.causes.steer import STRENGTHS, directions, steer
from probe.evidence.causes.table import about
from probe.interventions import steering


def test_the_answer_of_gradient_steps_moves_by_what_is_asked_at_every_layer(planted):
    """What stands in the answer's coordinate is added to and never read by a later block."""
    experiment, pass_, heads = planted("gradient")
    found = steer(experiment, heads, pass_).shifts
    ones = torch.ones(7, dtype=torch.float64)
    torch.testing.assert_close(found["head"].slope().value, ones, rtol=1e-4, atol=0)
    torch.testing.assert_close(found["head"].reached().value, ones, rtol=1e-4, atol=0)
    assert (found["random"].slope().value.abs() < 0.3).all()
    assert (found["random"].size().value < 0.9).all()


def test_directions_raise_the_heads_answer_by_one(planted, random_experiment):
    for experiment, pass_, heads in (planted("gradient"), random_experiment("M2")):
        found, weight = directions(experiment, heads, pass_), heads.weight[:, 0, :, 0]
        ones = torch.ones(len(weight), dtype=torch.float64)
        torch.testing.assert_close((found.head * weight).sum(-1), ones)
        known = found.pattern.abs().sum(-1) > 0
        torch.testing.assert_close((found.pattern * weight).sum(-1)[known], ones[known], rtol=1e-3, atol=0)
        assert known[1:].all()


def test_the_pattern_is_the_covariance_and_the_unit_the_size_of_y(random_experiment):
    experiment, pass_, heads = random_experiment("M2")
    found = directions(experiment, heads, pass_)
    streams, targets = [], []
    for _, prompts, captured in experiment.batches(pass_, "select", most=32):
        streams.append(captured.stream[:, :, -1:])
        targets.append(prompts.targets[:, -1])
    stream = torch.cat(streams, dim=1)
    read = linear_answers(heads, stream)
    for layer in (0, 2):
        joint = torch.cov(torch.cat([stream[layer, :, 0].double(), read[layer][:, None]], dim=1).T)
        torch.testing.assert_close(found.pattern[layer], joint[:-1, -1] / joint[-1, -1], rtol=1e-6, atol=1e-8)
    assert found.unit == torch.cat(targets).double().square().mean().sqrt().item()


def test_slopes_are_those_of_prompts_steered_one_by_one(random_experiment):
    experiment, pass_, heads = random_experiment("M2")
    found, way = steer(experiment, heads, pass_).shifts["pattern"], directions(experiment, heads, pass_)
    from probe.evidence.causes.pairs import pairs

    top = bottom = 0.0
    for pair in pairs(experiment, pass_):
        plain = capture(experiment.model, pair.own, torch.tensor([8])).output[:, 0, 0]
        for row, number in enumerate(pair.numbers):
            asked = STRENGTHS[number % 4] * way.unit
            with steering(experiment.model.places[1], torch.tensor([8]), (asked * way.pattern[1])[None, None]):
                moved = experiment.model.run(pair.own[row : row + 1])[0, -1, 0] - plain[row]
            top, bottom = top + moved.item() * asked, bottom + asked**2
    torch.testing.assert_close(found.slope().value[1].item(), top / bottom, rtol=1e-3, atol=1e-5)


def test_rows_name_the_direction(random_experiment):
    experiment, pass_, heads = random_experiment("M2")
    rows = steer(experiment, heads, pass_).rows(about(experiment, pass_))
    assert len(rows) == 3 * 2 * 3
    assert {row["site"] for row in rows} == {"steer:head", "steer:pattern", "steer:random"}
    assert {row["metric"] for row in rows} == {"slope", "size"}
