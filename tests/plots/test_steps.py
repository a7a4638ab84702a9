"""Claims: a map of steps shows every error in its cell and marks where each layer begins to answer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import QuadMesh

from probe.errors import ProbeError
from probe.plots import View, step_map
from probe.plots.steps import BEGUN
from probe.records import Record, with_dtypes

STEPS = (0, 10, 200)
ERRORS = {0: (1.0, 1.0, 1.0), 1: (1.0, 0.8, 0.5), 2: (1.0, 0.3, 0.7)}
"""By layer: of the kept steps in their order."""


def record(*trainings: str, steps: tuple[int, ...] = STEPS) -> Record:
    rows: list[dict[str, Any]] = []
    models: dict[str, Any] = {}
    for training in trainings:
        for place, step in enumerate(steps):
            model = f"{training}-step-{step:06}"
            models[model] = {"step": step, "blocks": 2}
            for layer, errors in ERRORS.items():
                for context, error in ((5, errors[place]), (3, 0.9)):
                    row = {"model": model, "layer": layer, "context": context, "target": "y", "head": "linear"}
                    rows.append(row | {"error": error, "low": error, "high": error})
    return Record(with_dtypes(pd.DataFrame(rows)), {"kind": "fit", "models": models})


def mesh(axes: Any) -> QuadMesh:
    (found,) = [one for one in axes.collections if isinstance(one, QuadMesh)]
    return found


def test_layers_go_up_and_steps_to_the_right_at_the_most_examples() -> None:
    axes = step_map([record("mine")]).axes[0]
    assert axes.get_title() == "mine"
    assert np.allclose(np.ma.asarray(mesh(axes).get_array()), [ERRORS[layer] for layer in (0, 1, 2)])
    assert [tick.get_text() for tick in axes.get_xticklabels()] == [str(step) for step in STEPS]


def test_steps_stand_by_number_in_whatever_order_the_record_has_them() -> None:
    found = record("mine")
    turned = Record(found.table.iloc[::-1].reset_index(drop=True), found.provenance)
    cells = [np.ma.asarray(mesh(step_map([one]).axes[0]).get_array()) for one in (found, turned)]
    assert np.array_equal(cells[0], cells[1])


def test_a_dot_marks_the_first_step_at_which_a_layer_errs_at_most_half() -> None:
    """Layer 0 never does; layer 1 at the third step, at just that; layer 2 at the second, though it errs more later."""
    assert BEGUN == 0.5
    (dots,) = step_map([record("mine")]).axes[0].lines
    assert [tuple(place) for place in dots.get_xydata().tolist()] == [(2.5, 1.5), (1.5, 2.5)]


def test_every_training_has_a_panel_on_one_scale_and_models_of_no_training_have_none() -> None:
    found = record("mamba", "transformer")
    alone = found.table[found.table["model"] == "mamba-step-000000"].assign(model="other")
    table = pd.concat([found.table, alone], ignore_index=True)
    told = {**found.provenance, "models": {**found.provenance["models"], "other": {"step": 5, "blocks": 2}}}
    figure = step_map([Record(with_dtypes(table), told)])
    assert [axes.get_title() for axes in figure.axes[:-1]] == ["mamba", "transformer"]
    assert len({(mesh(axes).norm.vmin, mesh(axes).norm.vmax) for axes in figure.axes[:-1]}) == 1


def test_the_number_of_examples_can_be_chosen() -> None:
    axes = step_map([record("mine")], View(context=3)).axes[0]
    assert np.allclose(np.ma.asarray(mesh(axes).get_array()), 0.9)


@pytest.mark.parametrize(
    ("found", "view", "said"),
    [
        (record("mine", steps=(10,)), View(), "--keep"),
        (record("mine"), View(heads=("linear", "lens")), "draws one"),
        (record("mine"), View(context=4), "Contexts: 3, 5"),
    ],
)
def test_what_cannot_be_drawn_gets_a_sentence(found: Record, view: View, said: str) -> None:
    with pytest.raises(ProbeError, match=said):
        step_map([found], view)
