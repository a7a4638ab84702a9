"""Claims: blocks that take the same step can stand in each other's place, whatever else a model does cannot."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from probe.capture import Captured
from probe.evidence.causes import about
from probe.evidence.criteria.one_map import RULES
from probe.evidence.linear_maps import linear_maps
from probe.evidence.one_map import TELLS, one_map
from probe.evidence.pushes import heads_for_w
from probe.evidence.reading import Reading, reading
from probe.heads import make_all
from probe.probing.experiment import Experiment
from probe.probing.measure import measure
from probe.progress import silent
from probe.randomness import PromptSource
from probe.tasks.prompts import only

CONTEXT = 10


def read(planted_experiment, algorithm):
    experiment, pass_ = planted_experiment(algorithm)
    heads, _ = measure(experiment, make_all(("linear",)), pass_, "y", silent)
    return (
        experiment,
        reading(experiment, heads["linear"], (heads_for_w(experiment, pass_) or [None])[0], pass_),
        replace(pass_, score=96, batch=96),
    )


def judged(rows):
    return RULES[0].test(rows)


@pytest.fixture(scope="module")
def found(planted_experiment):
    def of(algorithm):
        experiment, reads, pass_ = read(planted_experiment, algorithm)
        one = one_map(experiment, reads, pass_)
        return one, one.rows(about(experiment, pass_))

    return of


@pytest.mark.parametrize(("algorithm", "period"), [("gradient", 1), ("momentum", 1), ("two_blocks", 2)])
def test_one_map_holds_of_steps_that_are_taken_again_and_again(found, algorithm, period):
    """Two blocks a step are one map of two blocks; what is left is nothing, what each wrote there would leave much."""
    one, rows = found(algorithm)
    assert one.period == period
    assert one.pooled() < 1e-2
    assert judged(rows)[0] == "holds"
    assert next(row for row in rows if row["metric"] == "null, all")["value"] > 0.5


@pytest.mark.parametrize("algorithm", ["newton", "higher_order"])
def test_the_first_block_may_prepare_what_the_others_repeat(found, algorithm):
    """It gives the iteration for the inverse its first matrix."""
    one, rows = found(algorithm)
    assert (one.period, one.first) == (1, 2)
    assert judged(rows)[0] == "holds"
    assert "from block 2 on" in judged(rows)[1]
    assert {row["layer"] for row in rows if row["metric"].endswith("all")} == {2}
    assert min(row["layer"] for row in rows if row["metric"] == "left") == 2


def test_where_every_block_is_alike_the_first_takes_part(found):
    one, rows = found("gradient")
    assert one.first == 1
    assert min(row["layer"] for row in rows if row["metric"] == "left") == 1
    assert "from block" not in judged(rows)[1]


@pytest.mark.parametrize("algorithm", ["solve", "early", "coordinate", "gather", "reveal", "features", "open_loop"])
def test_one_map_does_not_hold_of_blocks_that_each_do_something_else(found, algorithm):
    assert judged(found(algorithm)[1])[0] == "fails"


def test_blocks_with_nothing_left_to_do_are_no_map_again_and_again(found):
    one, rows = found("early")
    assert {one.turns[cell].layer for cell in one.telling} == {1}
    assert 1 not in one.small
    assert "large enough" in judged(rows)[1]
    assert all(row["value"] < TELLS for row in rows if row["metric"] == "step" and row["layer"] > 1)


def test_a_row_says_whose_turn_it_was_which_block_ran_and_the_period(found):
    _, rows = found("gradient")
    assert {row["evidence"] for row in rows} == {"map"}
    assert {abs(row["layer"] - row["other_layer"]) for row in rows if row["other_layer"] is not None} == {1}
    assert {row["step"] for row in rows} == {1}


def of_streams(planted_experiment, monkeypatch, rates):
    """Returns what linear maps leave where each block moves a share of what is missing into the answer."""
    experiment, pass_ = planted_experiment("gradient")

    def batches(self, pass_, purpose):
        numbers = range(pass_.count(purpose))
        prompts = only(experiment.task.draw(PromptSource(0, purpose, numbers), CONTEXT), torch.tensor([CONTEXT]))
        drawn = torch.from_numpy(np.random.default_rng(len(purpose)).standard_normal((len(numbers), 2))).float()
        streams = [torch.stack([prompts.targets[:, 0, 0] * 0.5 + drawn[:, 0], prompts.targets[:, 0, 0] * 0.5], 1)]
        streams[0][:, 1] -= drawn[:, 0]
        for rate in rates:
            answer, rest = streams[-1].unbind(1)
            streams.append(torch.stack([answer + rate * rest, (1 - rate) * rest], 1))
        yield numbers, prompts, Captured(torch.stack(streams)[:, :, None], prompts.targets)

    monkeypatch.setattr(Experiment, "batches", batches)
    heads = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)[None, :, None].expand(experiment.layers, -1, -1)
    one = linear_maps(experiment, Reading(experiment, "y", heads), replace(pass_, score=256))
    return one, one.rows(about(experiment, pass_))


def test_linear_maps_hold_where_every_block_moves_the_same_share(planted_experiment, monkeypatch):
    one, rows = of_streams(planted_experiment, monkeypatch, [0.25] * 6)
    assert len(one.telling) >= 3
    assert one.pooled() < 1e-2
    assert judged(rows)[0] == "holds"
    assert {row["site"] for row in rows} == {"linear maps"}


def test_linear_maps_decide_nothing_where_they_are_not_the_same(planted_experiment, monkeypatch):
    """The coordinates of a map may change where the map does not."""
    one, rows = of_streams(planted_experiment, monkeypatch, [0.4, 0.1] * 3)
    assert one.pooled() > 0.3
    assert judged(rows)[0] == "undecided"


def test_linear_maps_tell_nothing_where_steps_are_not_linear_in_the_stream(planted_experiment):
    """A step of gradient descent multiplies by the prompt's own X'X, which no linear map knows."""
    experiment, reads, pass_ = read(planted_experiment, "gradient")
    one = linear_maps(experiment, reads, pass_)
    assert len(one.telling) < 3
    assert one.small
