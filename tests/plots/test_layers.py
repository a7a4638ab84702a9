"""The layer curve shows the record's numbers, on a log axis, with everything they are judged against."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from probe.errors import ProbeError
from probe.plots import View, layer_curve
from probe.records import Record, load, save, with_dtypes


def record(
    model: str = "mamba",
    blocks: int = 4,
    squares: float = 0.0,
    contexts: tuple[int, ...] = (5, 10),
    task: str = "linear",
) -> Record:
    rows: list[dict[str, Any]] = []

    def add(layer: int | None, context: int, head: str, error: float) -> None:
        depth = None if layer is None else layer / blocks
        row = {
            "model": model,
            "layer": layer,
            "depth": depth,
            "context": context,
            "target": "y",
            "head": head,
        }
        rows.append(row | {"mse": error, "error": error, "low": error * 0.9, "high": error * 1.1, "prompts": 64})

    for context in contexts:
        for layer in range(blocks + 1):
            add(layer, context, "linear", 10.0 ** (-layer * context / 20))
            add(layer, context, "lens", 2 * 10.0 ** (-layer * context / 20))
        add(blocks, context, "model", 0.011)
        add(None, context, "chance", 1.01)
        add(None, context, "least_squares", squares)
    shares = [float(n) for n in np.cumsum(np.arange(1, blocks + 2))]
    about = {"blocks": blocks, "cumulative_parameters": shares, "cumulative_flops": shares}
    return Record(
        with_dtypes(pd.DataFrame(rows)), {"kind": "fit", "config": {"task": "linear"}, "models": {model: about}}
    )


def axes_of(figure: Figure) -> Axes:
    return figure.axes[0]


def line(figure: Figure, label: str) -> tuple[list[float], list[float]]:
    (found,) = [one for one in axes_of(figure).get_lines() if one.get_label() == label]
    return np.asarray(found.get_xdata()).tolist(), np.asarray(found.get_ydata()).tolist()


def labels(figure: Figure) -> list[str]:
    return [str(one.get_label()) for one in axes_of(figure).get_lines()]


def key(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_a_saved_record_redraws_the_same_picture(tmp_path: Path) -> None:
    original = record()
    save(original, tmp_path / "a")
    one, two = layer_curve([original]), layer_curve([load(tmp_path / "a.csv")])
    assert labels(one) == labels(two)
    assert line(one, "mamba linear") == line(two, "mamba linear")
    assert line(one, "mamba linear")[1] == [10.0 ** (-layer / 2) for layer in range(5)]


def test_error_is_on_a_log_axis_with_the_zero_line_and_its_bands() -> None:
    figure = layer_curve([record()])
    axes = axes_of(figure)
    assert axes.get_yscale() == "log" and "1 = predicting zero" in axes.get_ylabel()
    assert line(figure, "zero")[1] == [1.0, 1.0]
    assert len(axes.collections) == 2  # a band a head
    outline = axes.collections[0].get_paths()[0].vertices
    assert np.isclose(np.asarray(outline)[:, 1].max(), 1.1) and np.isclose(np.asarray(outline)[:, 1].min(), 0.009)
    low, high = axes.get_ylim()
    assert low < 0.009 and high > 2.2


def test_the_models_own_error_stands_at_the_right_edge() -> None:
    (x,), (y,) = line(layer_curve([record()]), "mamba model")
    assert x > 1 and y == 0.011


def test_references_near_the_curves_are_drawn_and_far_ones_named() -> None:
    near, far = layer_curve([record(squares=0.003)]), layer_curve([record(squares=3e-22)])
    assert line(near, "least_squares")[1] == [0.003, 0.003] and "least squares" in key(near)
    assert "least_squares" not in labels(far) and "least squares: 0 (off axis)" in key(far)
    assert axes_of(far).get_ylim()[0] > 1e-3
    assert line(far, "chance")[1] == [1.01, 1.01]


def test_references_on_which_models_differ_say_whose_they_are() -> None:
    figure = layer_curve([record(squares=0.003), record("transformer", squares=0.1)])
    assert {"least squares, mamba", "least squares, transformer", "chance"} <= set(key(figure))


def test_models_differ_in_colour_and_heads_in_line() -> None:
    figure = layer_curve([record(f"m{i}") for i in range(6)])
    drawn = {str(one.get_label()): one for one in axes_of(figure).get_lines()}
    assert len({to_hex(drawn[f"m{i} linear"].get_color()) for i in range(6)}) == 6
    assert len({drawn[f"m{i} linear"].get_marker() for i in range(6)}) == 6
    assert drawn["m0 linear"].get_color() == drawn["m0 lens"].get_color()
    assert drawn["m0 linear"].get_linestyle() != drawn["m0 lens"].get_linestyle()


def test_models_of_different_depth_are_laid_by_depth_with_their_blocks_told() -> None:
    figure = layer_curve([record(), record("transformer", blocks=8)])
    assert line(figure, "mamba linear")[0] == [0, 0.25, 0.5, 0.75, 1]
    assert line(figure, "transformer linear")[0] == [i / 8 for i in range(9)]
    assert {"mamba (4 blocks)", "transformer (8 blocks)"} <= set(key(figure))
    assert line(layer_curve([record()]), "mamba linear")[0] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("x", ["parameters", "flops"])
def test_layers_can_be_laid_by_their_cost(x: Any) -> None:
    figure = layer_curve([record()], View(x=x))
    assert np.allclose(line(figure, "mamba linear")[0], np.array([1, 3, 6, 10, 15]) / 15)
    bare = Record(record().table, {"kind": "fit"})
    with pytest.raises(ProbeError, match=f"counts no {x} by layer"):
        layer_curve([bare], View(x=x))


def test_the_context_is_the_largest_that_all_have_unless_told() -> None:
    records = [record(), record("transformer", contexts=(5, 7))]
    assert line(layer_curve(records), "mamba linear")[1] == [10.0 ** (-layer / 4) for layer in range(5)]
    assert axes_of(layer_curve(records)).get_title(loc="left") == "5 examples in context"
    with pytest.raises(ProbeError, match=r"context 10\. Contexts: 5"):
        layer_curve(records, View(context=10))
    with pytest.raises(ProbeError, match="share no context"):
        layer_curve([record(contexts=(3,)), record("transformer", contexts=(4,))])


def test_one_model_on_two_tasks_is_two_curves() -> None:
    skewed = record()
    skewed.provenance["config"] = SimpleNamespace(task="skewed_linear")
    figure = layer_curve([record(), skewed])
    assert {"mamba, linear linear", "mamba, skewed_linear linear"} <= set(labels(figure))
    assert {"mamba, linear linear", "mamba, linear [2] linear"} <= set(labels(layer_curve([record(), record()])))


def test_empty_errors_and_missing_bands_are_left_out() -> None:
    table = record().table
    table.loc[table["layer"].eq(2).fillna(False), "error"] = np.nan
    figure = layer_curve([Record(table.assign(low=np.nan, high=np.nan), record().provenance)])
    assert line(figure, "mamba linear")[0] == [0, 1, 3, 4]
    assert not axes_of(figure).collections and "95 % band, by prompt" not in key(figure)


def test_a_lens_that_is_far_off_does_not_flatten_the_curves() -> None:
    table = record().table
    table.loc[table["head"].eq("lens"), ["error", "high"]] = 1e9
    assert axes_of(layer_curve([Record(table, record().provenance)])).get_ylim()[1] < 1000


@pytest.mark.parametrize(
    ("records", "view", "said"),
    [
        ([record()], View(heads=("linera",)), "Did you mean linear"),
        ([record()], View(target="w"), "Targets: y"),
        ([record()], View(layers=(1,)), "layers was given"),
        (
            [Record(pd.DataFrame({"model": ["m"], "step": [1], "loss": [1.0]}), {"kind": "train"})],
            View(),
            "of train",
        ),
        ([Record(record().table.query("layer.isna()"), {})], View(), "no head at any layer"),
        ([Record(pd.concat([record().table] * 2), {"kind": "fit"})], View(), "several errors at one layer"),
    ],
)
def test_what_cannot_be_drawn_gets_a_sentence(records: list[Record], view: View, said: str) -> None:
    with pytest.raises(ProbeError, match=said) as error:
        layer_curve(records, view)
    assert "\n" not in str(error.value) and str(error.value).endswith(".")
