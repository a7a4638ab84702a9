"""Claims: a panel a prompting style, models in colour, learners in grey, and what leaves a panel leaves at its edge."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from probe.errors import ProbeError
from probe.plots import View, prompting_curves
from probe.records import Record, with_dtypes


def record(styles: tuple[str, ...] = ("standard", "skewed"), last: int = 6, trained: int = 4) -> Record:
    rows: list[dict[str, Any]] = []
    for style in styles:
        for model in ("mamba", "s4"):
            for context in range(last + 1):
                row = {"model": model, "context": context, "target": "y", "prompting": style, "mse": 1.0, "prompts": 9}
                own = max(0.05, 1 - context / 5)
                rows.append(row | {"layer": 2, "head": "model", "error": own, "low": own / 2, "high": own})
                exact = max(0.0, 1 - context / 3)
                rows.append(row | {"head": "least_squares", "error": exact, "low": exact, "high": exact})
                rows.append(row | {"head": "averaging", "error": 1e6, "low": 1.0, "high": 2.0})
    models = {name: {"blocks": 2, "context": trained} for name in ("mamba", "s4")}
    return Record(with_dtypes(pd.DataFrame(rows)), {"kind": "evaluate", "models": models})


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_every_style_has_a_panel_and_every_curve_a_key() -> None:
    figure = prompting_curves([record()])
    shown = [axes for axes in figure.axes if axes.axison]
    assert [axes.get_title(loc="left") for axes in shown] == ["standard", "skewed"]
    assert {"mamba", "s4", "least squares", "averaging", "95 % band, by prompt"} <= set(texts(figure))
    assert "longest context in training" in texts(figure)
    assert all(axes.get_yscale() == "log" for axes in shown)


def test_models_are_in_colour_and_learners_are_not() -> None:
    axes = prompting_curves([record(("standard",))]).axes[0]
    colours = [line.get_color() for line in axes.get_lines() if len(line.get_xdata()) == 7]
    assert len(colours) == 4
    greys = {"black", "#555555"}
    assert set(colours[:2]) == greys
    assert not set(colours[2:]) & greys


def test_a_learner_that_errs_without_bound_does_not_set_the_axis() -> None:
    axes = prompting_curves([record(("standard",))]).axes[0]
    bottom, top = axes.get_ylim()
    assert top < 100
    assert bottom > 1e-3


def test_contexts_far_beyond_training_are_spaced_by_powers_of_two() -> None:
    axes = prompting_curves([record(("standard",), last=200)]).axes[0]
    assert axes.get_xscale() == "symlog"
    assert np.isin([0, 1, 4, 16, 64], axes.get_xticks()).all()


@pytest.mark.parametrize(
    ("records", "view", "sentence"),
    [
        ([], View(), "needs one"),
        ([Record(pd.DataFrame({"model": ["a"]}), {"kind": "fit"})], View(), "A record of fit was given"),
        ([record()], View(context=3), "has no use of it"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_a_sentence(records: list[Record], view: View, sentence: str) -> None:
    with pytest.raises(ProbeError, match=sentence):
        prompting_curves(records, view)
