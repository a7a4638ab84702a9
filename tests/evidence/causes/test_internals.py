"""Claims: what is switched off costs what doing so by hand costs, and what was constant costs nothing."""

import pytest
import torch

from probe.errors import ProbeError
from probe.evidence.causes.blocks import edit_blocks
from probe.evidence.causes.internals import switch_off
from probe.evidence.causes.pairs import pairs
from probe.evidence.causes.table import about
from probe.interventions import holding, mambas, means
from probe.randomness import PromptSource


def costs(found):
    return dict(zip(found.cells, found.errors.estimate().tolist(), strict=True))


@pytest.fixture(scope="module")
def small(random_experiment):
    experiment, pass_, _ = random_experiment("M2")
    return experiment, pass_, switch_off(experiment, pass_)


def test_errors_are_those_of_holding_by_hand(small):
    experiment, pass_, found = small
    mixers = mambas(experiment.model)
    inputs = experiment.task.draw(PromptSource(pass_.seed, "select", range(32)), 4).inputs
    held, errors = means(experiment.model, mixers, [inputs]), costs(found)
    for name, layers in (("B", (2,)), ("lookback", (1,)), ("delta", (1, 2))):
        top = bottom = 0.0
        for pair in pairs(experiment, pass_):
            one, two = ({name: held[at][name]} if at in layers else {} for at in (1, 2))
            with torch.no_grad(), holding(mixers[1], one), holding(mixers[2], two):
                answers = experiment.model.run(pair.own)[:, -1, 0].double()
            top, bottom = top + (answers - pair.target).square().sum(), bottom + pair.target.square().sum()
        cell = "mean", name, layers[0] if len(layers) == 1 else None
        assert errors[cell] == pytest.approx((top / bottom).item(), rel=1e-4)
        assert errors[cell] != pytest.approx(found.whole.estimate().item(), rel=1e-4)


def test_at_zero_some_are_as_good_as_skipped_and_others_alike(small):
    experiment, pass_, found = small
    edits = edit_blocks(experiment, pass_)
    errors, skipped = costs(found), dict(zip(edits.edits, edits.errors.estimate(), strict=True))
    for layer in (1, 2):
        for name in ("convolution", "gate"):
            assert errors["zero", name, layer] == pytest.approx(skipped["skip", layer].item(), rel=1e-5)
        assert errors["zero", "B", layer] == errors["zero", "C", layer] == errors["zero", "delta", layer]
    assert len(errors) == 2 * 6 * 3


def test_what_is_constant_costs_nothing_and_what_is_absent_has_no_cell(random_experiment):
    experiment, pass_, _ = random_experiment("M[B=constant,C=constant,delta=constant,gate=off]AM")
    found = switch_off(experiment, pass_)
    errors, whole = costs(found), found.whole.estimate().item()
    assert {layer for _, _, layer in found.cells} == {1, 3, None}
    assert {name for _, name, layer in found.cells if layer == 1} == {"convolution", "lookback", "delta", "B", "C"}
    assert "gate" in {name for _, name, layer in found.cells if layer == 3}
    for name in ("B", "C", "delta"):
        assert errors["mean", name, 1] == pytest.approx(whole, rel=1e-4)
    assert errors["mean", "gate", None] == errors["mean", "gate", 3]
    assert errors["mean", "lookback", 1] != pytest.approx(whole, rel=1e-3)


def test_rows_say_how_what_and_where(small):
    experiment, pass_, found = small
    rows = found.rows(about(experiment, pass_))
    assert len(rows) == 2 * len(found.cells)
    assert {row["site"] for row in rows} >= {"mean:B", "zero:gate", "mean:lookback"}
    assert {row["layer"] for row in rows} == {1, 2, None}
    assert all(row["low"] <= row["value"] <= row["high"] for row in rows)


def test_a_transformer_has_none(random_experiment):
    experiment, pass_, _ = random_experiment("(AF)1")
    with pytest.raises(ProbeError, match="Mamba mixers of our own are needed"):
        switch_off(experiment, pass_)
