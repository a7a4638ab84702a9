"""Claims: preconditioned inputs are what their definition says, found where they stand, and not where they do not."""

from dataclasses import replace

import pytest
import torch

from probe.capture import Captured
from probe.evidence.preconditioned import LIGHT, at_pairs_rows, preconditioned
from probe.evidence.targets import algorithmic_errors
from probe.probing.experiment import Experiment
from probe.randomness import PromptSource

CONTEXT = 10


@pytest.fixture
def prompts(planted_experiment):
    experiment, _ = planted_experiment("gradient")
    return experiment.task.draw(PromptSource(0, "score", range(8)), CONTEXT)


@pytest.mark.parametrize(("back", "place"), [(0, CONTEXT), (1, CONTEXT - 1)])
def test_they_are_the_inverse_moments_times_x_less_their_part_along_x(prompts, back, place):
    x = prompts.x[:, :CONTEXT].double()
    moments = x.transpose(1, 2) @ x / CONTEXT
    size = moments.diagonal(dim1=1, dim2=2).mean(-1)[:, None, None]
    inverse = torch.linalg.inv(moments + LIGHT * size * torch.eye(3))
    traceless = inverse - inverse.diagonal(dim1=1, dim2=2).mean(-1)[:, None, None] * torch.eye(3)
    expected = torch.einsum("pij,pj->pi", traceless, prompts.x[:, place].double())
    found = preconditioned(prompts, [CONTEXT], back)
    torch.testing.assert_close(found["preconditioned x"][:, 0].double(), expected, atol=1e-4, rtol=1e-4)


def test_without_examples_there_is_nothing_to_precondition_by(prompts):
    assert all((one == 0).all() for one in preconditioned(prompts, [0]).values())


def errors_at_last(rows):
    return {row["metric"]: row["value"] for row in rows if row["layer"] == 6}


def test_gradient_descent_holds_none(planted_experiment):
    experiment, pass_ = planted_experiment("gradient")
    found = algorithmic_errors(experiment, pass_)
    assert all(found[name].ratio.estimate().min() > 0.7 for name in ("whitened x", "preconditioned x"))
    rows = at_pairs_rows(experiment, replace(pass_, score=96), "m")
    assert {row["site"] for row in rows} == {"stream at y"}
    assert min(errors_at_last(rows).values()) > 0.7


def test_what_stands_in_the_stream_is_found(planted_experiment, monkeypatch):
    experiment, pass_ = planted_experiment("gradient")
    plain = Experiment.batches

    def with_inputs(self, *arguments):
        for numbers, prompts, captured in plain(self, *arguments):
            stream = captured.stream.clone()
            stream[3:, ..., -3:] = preconditioned(prompts, experiment.contexts)["preconditioned x"]
            yield numbers, prompts, Captured(stream, captured.output)

    monkeypatch.setattr(Experiment, "batches", with_inputs)
    error = algorithmic_errors(experiment, pass_)["preconditioned x"].ratio.estimate()[:, -1]
    assert error[:3].min() > 0.7
    assert error[3:].max() < 0.01
