"""The calibration curves show scale and shift, each beside the value that changes nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from probe.errors import ProbeError
from probe.plots import View, calibration_curve
from probe.records import Record, with_dtypes


def record(model: str = "mamba", blocks: int = 4) -> Record:
    rows: list[dict[str, Any]] = []
    for layer in range(blocks + 1):
        for context in (5, 10):
            row = {"model": model, "layer": layer, "context": context, "target": "y", "head": "calibrated"}
            row |= {"error": 0.5, "low": 0.4, "high": 0.6, "scale": 3 - layer / 2, "shift": layer / 10}
            rows.append(row | {"scale_low": 0.5, "scale_high": 4.0, "shift_low": -1.0, "shift_high": 1.0})
            rows.append(row | {"head": "linear", "scale": np.nan, "shift": np.nan})
    return Record(with_dtypes(pd.DataFrame(rows)), {"kind": "fit", "models": {model: {"blocks": blocks}}})


def test_scale_and_shift_have_a_panel_each_with_bands_and_neutral_lines() -> None:
    figure = calibration_curve([record(), record("transformer", 8)])
    assert [axes.get_ylabel() for axes in figure.axes] == ["scale", "shift"]
    for axes, neutral, last in zip(figure.axes, (1.0, 0.0), (1.0, 0.4), strict=True):
        lines: dict[str, Any] = {str(one.get_label()): one for one in axes.get_lines()}
        assert list(lines["neutral"].get_ydata()) == [neutral, neutral]
        assert lines["mamba"].get_ydata()[-1] == last
        assert list(lines["transformer"].get_xdata()) == [i / 8 for i in range(9)]
        assert len(axes.collections) == 2


def test_bands_are_drawn_only_where_the_record_has_them() -> None:
    bare = Record(record().table.drop(columns=["scale_low", "shift_high"]), {"kind": "fit"})
    assert not any(axes.collections for axes in calibration_curve([bare], View(context=5, columns=1)).axes)


def test_a_record_without_calibration_says_what_to_do() -> None:
    table = record().table
    for lacking in (table[table["head"] == "linear"], table.drop(columns="scale")):
        with pytest.raises(ProbeError, match="--head calibrated"):
            calibration_curve([Record(lacking, {"kind": "fit"})])
