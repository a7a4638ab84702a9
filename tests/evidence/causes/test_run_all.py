"""Claims: every intervention that suits a model is made, the others are named with their reason, and nothing stays."""

import pytest
import torch

from probe.evidence.causes import run_all
from probe.evidence.causes.exchange import exchange
from probe.heads import make_all
from probe.probing.measure import measure
from probe.progress import silent
from probe.records import EVIDENCE_COLUMNS

SHARED = {"stream", "steer:head", "steer:pattern", "steer:random", "whole", "skip", "repeat", "exit"}


@pytest.mark.parametrize(("layout", "further", "untested"), [("M2", "state:h", 0), ("AM", "state", 0), ("AF", "", 2)])
def test_what_suits_is_tested_and_what_does_not_is_named(random_experiment, layout, further, untested):
    experiment, pass_, heads = random_experiment(layout)
    before = {name: value.clone() for name, value in experiment.model.model.state_dict().items()}
    inputs = torch.randn(2, 9, 3, generator=torch.Generator().manual_seed(0))
    plain, seen = experiment.model.run(inputs), []
    lens = measure(experiment, make_all(("lens",)), pass_, "y", silent)[1]["lens"].ratio.part(
        lambda cells: cells[..., 0]
    )

    def whole():
        return exchange(experiment, heads, pass_)

    found = run_all(experiment, heads, {"lens": lens}, whole, pass_, lambda *done: seen.append(done))
    assert len(found.untested) == untested
    assert {row["site"] for row in found.rows} >= SHARED | ({further} if further else set())
    assert all(list(row) == EVIDENCE_COLUMNS for row in found.rows)
    assert all(row["value"] == row["value"] for row in found.rows)
    assert [done[1:] for done in seen] == [(n, 7) for n in range(1, 8)]
    if untested:
        assert list(found.untested) == ["switch off internals", "exchange states"]
        assert "The model's blocks are Attention, MLP" in found.untested["exchange states"]
    assert torch.equal(experiment.model.run(inputs), plain)
    assert all(torch.equal(value, before[name]) for name, value in experiment.model.model.state_dict().items())
