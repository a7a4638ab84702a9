"""The heat map shows every error in its cell, all models on one scale."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import QuadMesh
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from probe.errors import ProbeError
from probe.plots import View, heat_map
from probe.plots.heatmap import _ticks
from probe.records import Record, with_dtypes

CONTEXTS = (1, 4, 16)


def record(model: str = "mamba", blocks: int = 2, best: float = 1e-3) -> Record:
    rows: list[dict[str, Any]] = []
    for layer in range(blocks + 1):
        for context in CONTEXTS:
            error = best ** (layer / blocks) if context > 1 else 1.0
            row = {"model": model, "layer": layer, "context": context, "target": "y", "head": "linear"}
            rows.append(row | {"error": error, "low": error, "high": error})
    return Record(with_dtypes(pd.DataFrame(rows)), {"kind": "fit"})


def cells(figure: Figure) -> np.ma.MaskedArray[Any, Any]:
    (mesh,) = meshes(figure)
    return np.ma.asarray(mesh.get_array())


def meshes(figure: Figure) -> list[QuadMesh]:
    return [one for axes in figure.axes[:-1] for one in axes.collections if isinstance(one, QuadMesh)]


def test_cells_hold_the_records_errors() -> None:
    assert np.allclose(cells(heat_map([record()])), [[1, 1, 1], [1, 1e-3**0.5, 1e-3**0.5], [1, 1e-3, 1e-3]])


def test_models_stand_side_by_side_on_one_logarithmic_scale() -> None:
    figure = heat_map([record(), record("transformer", 4, 1e-2), record("s4", 3, 0.5)])
    norms = [mesh.norm for mesh in meshes(figure)]
    assert len(norms) == 3 and all(isinstance(norm, LogNorm) for norm in norms)
    assert {(norm.vmin, norm.vmax) for norm in norms} == {(1e-3, 1.0)}
    assert [axes.get_title() for axes in figure.axes[:3]] == ["mamba", "transformer", "s4"]
    assert figure.axes[-1].get_ylabel() == "normalised error (1 = predicting zero), linear head"


def test_missing_cells_stay_empty_and_zeros_are_darkest() -> None:
    table = record().table
    table.loc[0, "error"] = np.nan
    table.loc[8, "error"] = 0.0
    figure = heat_map([Record(table[table["layer"] != 1], {"kind": "fit"})])
    assert np.ma.getmaskarray(cells(figure)).tolist() == [[True, False, False], [True] * 3, [False] * 3]
    assert cells(figure)[2, 2] == meshes(figure)[0].norm.vmin


def test_more_models_than_fit_in_a_row_make_a_second() -> None:
    figure = heat_map([record(f"m{i}") for i in range(5)])
    assert len(meshes(figure)) == 5 and figure.get_figheight() > heat_map([record()]).get_figheight()


def test_ticks_are_even_and_end_at_the_last() -> None:
    for count in range(1, 200):
        ticks = _ticks(count, 7)
        assert ticks[-1] == count - 1 and len(set(ticks)) == len(ticks) <= 8 and len(set(np.diff(ticks[:-1]))) <= 1


@pytest.mark.parametrize(
    ("view", "said"),
    [(View(heads=("linear", "lens")), "draws one"), (View(heads=("lens",)), "Heads: linear")],
)
def test_what_cannot_be_drawn_gets_a_sentence(view: View, said: str) -> None:
    with pytest.raises(ProbeError, match=said):
        heat_map([record()], view)
