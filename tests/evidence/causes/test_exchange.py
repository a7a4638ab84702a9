"""Claims: an exchanged stream moves the answer as running the blocks by hand does, and as a planted algorithm must."""

from dataclasses import replace

import pytest
import torch

from probe.evidence.causes.exchange import exchange
from probe.evidence.causes.pairs import pairs
from probe.evidence.causes.table import about


def by_hand(experiment, pair, layer):
    """Runs the blocks on both prompts and puts the donor's last token into the own stream."""
    model = experiment.model.model
    own, donor = model.embed(pair.own), model.embed(pair.donor)
    for block in model.blocks[:layer]:
        own, donor = block(own), block(donor)
    own = torch.cat([own[:, :-1], donor[:, -1:]], dim=1)
    for block in model.blocks[layer:]:
        own = block(own)
    return model.decode(own)[:, -1, 0].double() - model(pair.own)[:, -1, 0].double()


@pytest.mark.parametrize("layout", ["M3", "(AF)2"])
def test_shares_and_r2_are_those_of_blocks_run_by_hand(random_experiment, layout):
    experiment, pass_, heads = random_experiment(layout)
    found = exchange(experiment, heads, pass_)
    (pair,) = pairs(experiment, pass_)
    with torch.no_grad():
        way = by_hand(experiment, pair, experiment.layers - 1)
        for layer in range(experiment.layers):
            actual = by_hand(experiment, pair, layer)
            share = (actual * way).sum() / way.square().sum()
            torch.testing.assert_close(found.donor.slope().value[layer], share, rtol=1e-3, atol=1e-5)
    assert found.donor.slope().value[0].abs() < 1e-5
    assert found.donor.slope().value[1] > 0.01
    torch.testing.assert_close(found.predicted["lens"].r2().value[-1].item(), 1.0)


def test_the_batch_size_changes_nothing(random_experiment):
    experiment, pass_, heads = random_experiment("M2")
    one, other = (exchange(experiment, heads, replace(pass_, batch=size)) for size in (20, 32))
    slopes = [each.predicted["linear"].slope().value for each in (one, other)]
    torch.testing.assert_close(*slopes, rtol=1e-4, atol=1e-6, equal_nan=True)
    assert not slopes[0][1:].isnan().any()
    torch.testing.assert_close(one.donor.slope().high, other.donor.slope().high, rtol=1e-4, atol=1e-5)


def test_before_a_solver_solves_nothing_moves_and_after_it_all_does(planted):
    """Its middle one of six blocks is the fourth."""
    experiment, pass_, heads = planted("solve")
    found = exchange(experiment, heads, pass_)
    share = found.donor.slope().value
    torch.testing.assert_close(share, torch.tensor([0, 0, 0, 0, 1, 1, 1], dtype=torch.float64), rtol=0, atol=1e-5)
    for head in ("linear", "lens"):
        r2 = found.predicted[head].r2().value
        assert r2[:4].isnan().all()
        assert (r2[4:] > 1 - 1e-6).all()


def test_gradient_steps_carry_on_a_part_of_what_was_exchanged(planted):
    """Later steps pull the weights back to the own examples, the less the fewer they are."""
    experiment, pass_, heads = planted("gradient")
    found = exchange(experiment, heads, pass_)
    slope = found.predicted["lens"].slope().value[1:]
    assert (slope.diff() > 0).all()
    assert slope[0] < 0.9
    torch.testing.assert_close(slope[-1].item(), 1.0, rtol=1e-5, atol=0)
    assert (found.donor.slope().value.diff() > 0).all()
    assert 0 < found.predicted["lens"].reached().value[-2] < 0.9


def test_rows_name_the_layer_and_leave_out_what_is_unknown(planted):
    experiment, pass_, heads = planted("solve")
    rows = exchange(experiment, heads, pass_).rows(about(experiment, pass_))
    assert {(row["site"], row["evidence"], row["context"], row["prompts"]) for row in rows} == {
        ("stream", "causes", 10, 48)
    }
    r2 = [row for row in rows if row["metric"] == "r2" and row["head"] == "linear"]
    assert [row["layer"] for row in r2] == [4, 5, 6]
    share = [row for row in rows if row["metric"] == "share"]
    assert [row["layer"] for row in share] == list(range(7))
    assert all(row["low"] <= row["value"] <= row["high"] for row in rows)
