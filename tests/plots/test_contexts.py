"""The context curve shows the model's own error beside least squares, and heads where asked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from probe.errors import ProbeError
from probe.plots import View, context_curve
from probe.records import Record, with_dtypes


def record(contexts: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6), trained: int = 6) -> Record:
    rows: list[dict[str, Any]] = []
    for context in contexts:
        own = max(0.01, 1 - context / 4)
        errors = [(2, "model", own), (None, "least_squares", max(0.0, 1 - context / 4))]
        errors += [(layer, "linear", own + 1 - layer / 2) for layer in range(3)]
        for layer, head, error in errors:
            row = {"model": "mamba", "layer": layer, "context": context, "target": "y", "head": head}
            rows.append(row | {"error": error, "low": error / 2, "high": error * 2})
    return Record(
        with_dtypes(pd.DataFrame(rows)), {"kind": "fit", "models": {"mamba": {"blocks": 2, "context": trained}}}
    )


def lines(figure: Figure) -> dict[str, Any]:
    return {str(one.get_label()): one for one in figure.axes[0].get_lines()}


def key(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_the_models_own_error_is_drawn_with_its_band_on_a_log_axis() -> None:
    figure = context_curve([record()])
    assert figure.axes[0].get_yscale() == "log" and len(figure.axes[0].collections) == 1
    own = lines(figure)["mamba model"]
    assert list(own.get_xdata()) == [0, 1, 2, 3, 4, 5, 6]
    assert np.allclose(own.get_ydata(), [1, 0.75, 0.5, 0.25, 0.01, 0.01, 0.01])
    assert list(lines(figure)["zero"].get_ydata()) == [1, 1]


def test_exact_least_squares_leaves_the_axis_and_is_told() -> None:
    figure = context_curve([record()])
    assert "least squares (0 from 4)" in key(figure)
    bottom = figure.axes[0].get_ylim()[0]
    assert bottom > 1e-3 and lines(figure)["least_squares"].get_ydata().min() < bottom


def test_models_that_saw_the_same_prompts_share_a_line_of_least_squares() -> None:
    other = Record(record().table.assign(model="transformer"), {"kind": "fit"})
    assert [name for name in key(context_curve([record(), other])) if "least" in name] == ["least squares (0 from 4)"]


def test_a_head_is_drawn_at_chosen_layers_darker_the_earlier() -> None:
    found = lines(context_curve([record()], View(layers=(2, 0))))
    assert np.allclose(found["mamba linear 0"].get_ydata()[0], 2.0)
    dark, strong = found["mamba linear 0"].get_color(), found["mamba linear 2"].get_color()
    assert dark != strong and strong == found["mamba model"].get_color().lower()


def test_the_trained_context_is_marked_where_the_record_goes_beyond() -> None:
    assert "longest context in training" in key(context_curve([record(trained=4)]))
    assert "longest context in training" not in key(context_curve([record()]))


def test_contexts_that_grow_are_spaced_as_they_grow() -> None:
    assert context_curve([record((0, 1, 2, 4, 8, 16, 32))]).axes[0].get_xscale() == "symlog"
    assert context_curve([record()]).axes[0].get_xscale() == "linear"
    assert context_curve([record((5,))]).axes[0].get_xscale() == "linear"


@pytest.mark.parametrize(
    ("view", "said"),
    [
        (View(layers=(9,)), "at layer 9"),
        (View(heads=("linear",)), "without layers"),
        (View(context=3), "context was"),
    ],
)
def test_what_cannot_be_drawn_gets_a_sentence(view: View, said: str) -> None:
    with pytest.raises(ProbeError, match=said):
        context_curve([record()], view)


def test_a_record_without_the_models_own_error_says_so() -> None:
    table = record().table
    with pytest.raises(ProbeError, match="lacks the model's own error"):
        context_curve([Record(table[table["head"] != "model"], {"kind": "fit"})])
