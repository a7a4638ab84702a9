"""Claims: at the layers' rates gradient descent leaves of an exchanged answer what a model that descends leaves."""

import pytest
import torch

from probe.evidence.answers import ask
from probe.evidence.causes import about
from probe.evidence.contraction import contraction
from probe.evidence.exchanged import exchanged
from probe.evidence.reading import Reading
from probe.probing.draws import Pass

DIM, BLOCKS, CONTEXT = 3, 6, 10
LAYERS = BLOCKS + 1
SMALL = Pass(prompts=256, score=96, batch=64)


def both(planted_experiment, algorithm):
    """What a model leaves at its last layer, and what gradient descent would, by the layer of the exchange."""
    experiment, _ = planted_experiment(algorithm)
    readings = {"lens": lambda stream: experiment.model.decode(stream)[..., 0]}
    selected = ask(experiment, readings, CONTEXT, 2 * DIM + 2, 0, "select", 64)
    named = contraction(experiment, selected, "lens", SMALL)
    heads = torch.zeros(LAYERS, experiment.model.width + 1, 1, dtype=torch.float64)
    heads[:, 2 * DIM] = 1.0
    rows_read = torch.eye(experiment.model.width).double()[None, 2 * DIM : 2 * DIM + 1].expand(LAYERS, -1, -1)
    at_query = exchanged(experiment, Reading(experiment, "y", heads), SMALL, rows_read)[0]
    return experiment, named, at_query


@pytest.mark.parametrize("algorithm", ["gradient", "decreasing"])
def test_a_model_that_descends_leaves_what_its_rates_say(planted_experiment, algorithm):
    experiment, named, at_query = both(planted_experiment, algorithm)
    expected, found = (one.estimate()[2:BLOCKS, 3:] for one in (at_query.carry, named.left))
    later = torch.ones(BLOCKS - 2, BLOCKS - 2).triu().bool()
    torch.testing.assert_close(found[later], expected[later], atol=0.03, rtol=0)
    assert found[0, -1] < 0.5
    rows = named.rows(about(experiment, SMALL), {2: BLOCKS, 3: 5})
    assert [(row["layer"], row["other_layer"], row["site"], row["metric"]) for row in rows] == [
        (2, BLOCKS, "gradient descent", "kept"),
        (3, 5, "gradient descent", "kept"),
    ]
    assert rows[0]["value"] == pytest.approx(named.left.estimate()[2, BLOCKS].item())
    assert all(row["low"] <= row["value"] <= row["high"] for row in rows)


def test_blocks_that_read_the_tokens_alone_leave_more_than_their_rates_say(planted_experiment):
    """Their answers are nearly those of gradient descent, and what they do with another answer is not."""
    _, named, at_query = both(planted_experiment, "open_loop")
    assert (at_query.carry.estimate()[2, -1] - named.left.estimate()[2, -1]).item() > 0.3
