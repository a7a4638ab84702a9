"""The training curve shows loss and error by step, and where the curriculum moved on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes

from probe.errors import ProbeError
from probe.plots import training_curve
from probe.records import Record, with_dtypes


def record(model: str = "mamba", points: int = 12, measured: bool = True, first: int = 5) -> Record:
    step = np.arange(1, points + 1) * 10
    error = np.where(step % 40 == 0, 1 / step, np.nan) if measured else np.nan
    table = {
        "model": model,
        "step": step,
        "loss": 5.0 / step,
        "error": error,
        "rate": 1e-3,
        "seconds": step / 2.0,
    }
    stages = {"dim": np.where(step > 60, 10, first), "context": np.where(step > 30, 20, 10)}
    return Record(with_dtypes(pd.DataFrame(table | stages)), {"kind": "train"})


def lines(axes: Axes) -> list[tuple[str, Any]]:
    return [(str(one.get_label()), one) for one in axes.get_lines()]


def test_loss_and_measured_errors_are_drawn_on_log_axes() -> None:
    figure = training_curve([record(), record("transformer")])
    above, below = figure.axes
    assert above.get_yscale() == below.get_yscale() == "log"
    assert list(dict(lines(above))["transformer loss"].get_ydata()) == list(5.0 / (np.arange(1, 13) * 10))
    assert list(dict(lines(below))["mamba error"].get_xdata()) == [40, 80, 120]
    assert list(dict(lines(below))["zero"].get_ydata()) == [1, 1]


@pytest.mark.parametrize(
    ("units", "loss", "level"),
    [
        (["predicting zero"], "training loss, squared error", "predicting zero"),
        (["knowing nothing"], "training loss", "knowing nothing"),
        (["predicting zero", "knowing nothing"], "training loss", "predicting zero or knowing nothing"),
    ],
    ids=lambda given: ", ".join(given) if isinstance(given, list) else "",
)
def test_what_is_no_squared_error_is_not_called_so_nor_its_level_zero(units: list[str], loss: str, level: str) -> None:
    """Signs and symbols are trained by their cross-entropy, and an error of 1 is knowing nothing of them."""
    found = [record(f"model {place}") for place in range(len(units))]
    found = [
        replace(one, provenance={"kind": "train", "units": {"y": unit}}) for one, unit in zip(found, units, strict=True)
    ]
    figure = training_curve(found)
    assert figure.axes[0].get_ylabel() == loss
    assert figure.legends[0].get_texts()[-1].get_text() == level


@pytest.mark.parametrize("points", [12, 1000])
def test_the_legend_has_markers_where_the_curves_have_them(points: int) -> None:
    figure = training_curve([record(points=points)])
    drawn = dict(lines(figure.axes[1]))["mamba error"].get_marker()
    assert figure.legends[0].get_lines()[0].get_marker() == drawn
    assert (drawn in ("", "None")) == (points > 200)


def test_a_record_without_errors_has_one_panel() -> None:
    assert len(training_curve([record(measured=False)]).axes) == 1


def test_a_shared_curriculum_is_drawn_once_and_others_in_their_colour() -> None:
    def moves(*records: Record) -> list[Any]:
        return [one for label, one in lines(training_curve(records).axes[0]) if label == "curriculum"]

    assert [one.get_xdata()[0] for one in moves(record(), record("transformer"))] == [40, 70]
    assert len({one.get_color() for one in moves(record(), record("transformer", first=10))}) == 2
    assert all(one.get_alpha() <= 0.5 for one in moves(record()))


def test_long_runs_are_drawn_faintly_under_their_running_median() -> None:
    drawn = lines(training_curve([record(points=1000)]).axes[0])
    raw = [one for _, one in drawn if len(one.get_xdata()) == 1000]
    assert sorted(one.get_alpha() or 1 for one in raw) == [0.25, 1]


def test_a_record_that_is_not_of_training_is_refused() -> None:
    fitted = Record(pd.DataFrame({"model": ["m"], "head": ["linear"]}), {"kind": "fit"})
    with pytest.raises(ProbeError, match="A record of fit was given, but a training curve needs one of train"):
        training_curve([fitted])
    with pytest.raises(ProbeError, match="no positive loss"):
        training_curve([Record(record().table.assign(loss=np.nan), {"kind": "train"})])
