"""Claims: the curves of the compared models, and every pair's ratios by depth and by context, with their bands."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from probe.errors import ProbeError
from probe.plots import comparison
from probe.records import Record, with_dtypes

NAMES = ("a", "b", "c")


def record(names: tuple[str, ...] = NAMES) -> Record:
    rows: list[dict[str, Any]] = []
    for i, model in enumerate(names):
        for other in names[i + 1 :]:
            pair = {"model": model, "other": other}
            band = {"low": 0.5, "high": 2.0, "all_low": 0.4, "all_high": 2.5, "ratio": 1.1, "error": 1.1}
            rows += [pair | band | {"quantity": "own", "context": n, "other_error": 1.0} for n in range(5)]
            rows += [
                pair | band | {"quantity": "layer", "context": 4, "depth": n / 2, "other_error": 1.0} for n in range(3)
            ]
            rows.append(pair | {"quantity": "reach", "context": 4, "threshold": 0.5, "difference": 0.1})
    models = {name: {"blocks": 2, "depths": [0.0, 0.5, 1.0], "errors": [1.0, 0.3, None]} for name in names}
    return Record(with_dtypes(pd.DataFrame(rows)), {"kind": "compare", "config": {"depth": "flops"}, "models": models})


def test_there_is_a_curve_a_model_and_a_ratio_a_pair() -> None:
    figure = comparison([record()])
    curves, layers, contexts = figure.axes
    assert sum(len(line.get_xdata()) == 3 for line in curves.get_lines()) == 3
    for axes in (layers, contexts):
        assert len(axes.collections) == 3
        assert axes.get_yscale() == "log"
    assert curves.get_xlabel() == layers.get_xlabel() == "share of FLOPs up to the layer"
    key = [text.get_text() for text in figure.legends[0].get_texts()]
    assert key[:6] == ["a (2 blocks)", "b (2 blocks)", "c (2 blocks)", "a / b", "a / c", "b / c"]


def test_sides_of_seeds_have_one_ratio_with_its_band_and_a_colour_each() -> None:
    plain = record(("a", "b", "c", "d"))
    models = plain.provenance["models"]
    for name, about in models.items():
        about["arch"] = "mamba" if name in "ab" else "transformer"
    seeds = plain.table[plain.table["model"].eq("a") & plain.table["other"].eq("b")]
    seeds = seeds.assign(model="mamba (2 seeds)", other="transformer (2 seeds)", band="seeds", all_low=None, low=0.7)
    table = with_dtypes(pd.concat([plain.table.assign(band="prompts"), seeds], ignore_index=True))
    figure = comparison([Record(table, plain.provenance)])
    curves, layers, contexts = figure.axes
    assert len({line.get_color() for line in curves.get_lines()[1:]}) == 2
    for axes in (layers, contexts):
        assert len(axes.collections) == 1
        # four pairs of one of each side, the sides' own, and the line at 1
        assert len(axes.get_lines()) == 4 + 1 + 1
        assert axes.collections[0].get_paths()[0].get_extents().y0 == pytest.approx(0.7)
    key = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "mamba (2 seeds) / transformer (2 seeds)" in key
    assert "95 % band, over seeds, of each point" in key


def test_of_many_pairs_those_with_the_first_are_drawn() -> None:
    figure = comparison([record(("a", "b", "c", "d", "e"))])
    assert [len(axes.collections) for axes in figure.axes[1:]] == [4, 4]


def test_a_record_of_something_else_is_refused() -> None:
    with pytest.raises(ProbeError, match="one record of probe compare"):
        comparison([Record(pd.DataFrame({"model": ["a"]}), {"kind": "fit"})])
    with pytest.raises(ProbeError, match="one record of probe compare"):
        comparison([record(), record()])
