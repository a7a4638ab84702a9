"""Claims: where a block's state is partly another prompt's, what it writes moves by that much."""

import pytest
import torch

from probe.capture import capture
from probe.errors import ProbeError
from probe.evidence.causes import about
from probe.evidence.causes.pairs import pairs
from probe.evidence.exchanged import MIXED
from probe.evidence.exchanged_states import exchanged_states
from probe.evidence.reading import Reading
from probe.interventions import continuing, recurrent, states_after
from probe.probing.draws import Pass

SMALL = Pass(prompts=64, score=32, batch=32)


def reader(experiment) -> Reading:
    heads = torch.zeros(experiment.layers, experiment.model.width + 1, 1, dtype=torch.float64)
    heads[:, 0] = 1.0
    return Reading(experiment, "y", heads)


@pytest.mark.parametrize(("layout", "with_state"), [("M3", [1, 2, 3]), ("MFD", [1, 3]), ("R2", [1, 2])])
def test_the_shift_is_what_the_block_writes_from_the_mixed_state(random_experiment, layout, with_state):
    experiment, _, _ = random_experiment(layout)
    found = exchanged_states(experiment, reader(experiment), SMALL)
    pair = next(iter(pairs(experiment, SMALL)))
    mixers, query = recurrent(experiment.model), torch.tensor([pair.own.shape[1] - 1])
    plain = capture(experiment.model, pair.own, query).stream[:, :, 0].double()
    own, theirs = (states_after(experiment.model, mixers, some[:, :-1]) for some in (pair.own, pair.donor))
    scan_alone = {"M": 1}
    for layer in with_state:
        first = scan_alone.get(layout[layer - 1] if layout[1] not in "23" else layout[0], 0)
        mixed = [
            mine if place < first else (1 - MIXED) * mine + MIXED * other
            for place, (mine, other) in enumerate(zip(own[layer], theirs[layer], strict=True))
        ]
        with continuing(mixers[layer], int(query), tuple(mixed)):
            after = capture(experiment.model, pair.own, query).stream[:, :, 0].double()
        moved = (after - plain)[:, :, 0]
        expected = (moved * moved[layer]).sum(1) / moved[layer].square().sum()
        torch.testing.assert_close(found.carry.estimate()[layer, layer:], expected[layer:], rtol=1e-3, atol=1e-3)
    assert found.carry.estimate()[0].isnan().all()


def test_blocks_without_a_state_have_no_row(random_experiment):
    experiment, _, _ = random_experiment("MFM")
    found = exchanged_states(experiment, reader(experiment), SMALL)
    rows = found.rows(about(experiment, SMALL))
    assert {row["site"] for row in rows} <= {"exchanged in states"}
    assert {row["layer"] for row in rows} <= {1}


def test_a_model_without_states_is_refused(random_experiment):
    experiment, _, _ = random_experiment("AF")
    with pytest.raises(ProbeError, match="mixers with a state of our own are needed"):
        exchanged_states(experiment, reader(experiment), SMALL)
