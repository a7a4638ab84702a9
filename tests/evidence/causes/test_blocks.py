"""Claims: skipping, repeating and exchanging blocks costs what a planted algorithm says, and whole is whole."""

import pytest
import torch

from probe.errors import ProbeError
from probe.evidence.causes.blocks import edit_blocks, exit_rows
from probe.evidence.causes.table import about
from probe.heads import make_all
from probe.probing.measure import measure
from probe.progress import silent


def costs(found):
    return dict(zip(found.edits, found.errors.estimate().tolist(), strict=True))


def test_a_step_of_gradient_descent_costs_the_last_one_whichever_it_is(planted):
    """Six blocks less one are five steps, which is what the lens reads before the last block."""
    experiment, pass_, _ = planted("gradient")
    found = edit_blocks(experiment, pass_)
    errors, whole = costs(found), found.whole.estimate().item()
    lens = measure(experiment, make_all(("linear", "lens")), pass_, "y", silent)[1]["lens"].ratio.estimate()[:, -1]
    assert whole == pytest.approx(lens[6].item(), rel=1e-5)
    assert lens[5] > 1.1 * lens[6]
    for block in range(1, 7):
        assert errors["skip", block] == pytest.approx(lens[5].item(), rel=1e-4)
        assert errors["repeat", block] < 0.95 * whole
    for block in range(1, 6):
        assert errors["swap", block] == pytest.approx(whole, rel=1e-5)


def test_a_solver_misses_one_block_alone_and_all_of_it(planted):
    experiment, pass_, _ = planted("solve")
    found = edit_blocks(experiment, pass_)
    errors, whole = costs(found), found.whole.estimate().item()
    assert whole < 1e-6
    for (kind, block), error in errors.items():
        if block == 4 and kind in ("skip", "repeat"):
            assert error == pytest.approx(1, abs=1e-4)
        else:
            assert error == pytest.approx(whole, abs=1e-6)
    rows = [row for row in found.rows(about(experiment, pass_)) if row["metric"] == "added" and row["site"] == "skip"]
    assert [row["layer"] for row in rows if row["low"] > 0.5] == [4]


def test_rows_of_swaps_name_both_blocks_and_early_exits_are_the_layer_curves(planted):
    experiment, pass_, _ = planted("gradient")
    shared, scores = about(experiment, pass_), measure(experiment, make_all(("linear", "lens")), pass_, "y", silent)[1]
    errors = {head: scores[head].ratio.part(lambda cells: cells[..., 0]) for head in ("linear", "lens")}
    swaps = [row for row in edit_blocks(experiment, pass_).rows(shared) if row["site"] == "swap"]
    assert {(row["layer"], row["other_layer"]) for row in swaps} == {(block, block + 1) for block in range(1, 6)}
    exits = exit_rows(errors, shared)
    assert len(exits) == 14
    for row in exits:
        assert row["value"] == scores[row["head"]].ratio.estimate()[row["layer"], -1]
        assert row["low"] <= row["value"] <= row["high"]


def test_blocks_that_cannot_be_moved_are_refused(random_experiment):
    from dataclasses import replace

    experiment, pass_, _ = random_experiment("M2")
    places = experiment.model.places
    experiment.model.places = [places[0], replace(places[1], entrance=torch.nn.Identity()), places[2]]
    with pytest.raises(ProbeError, match="Leave this block as it is"):
        edit_blocks(experiment, pass_)
