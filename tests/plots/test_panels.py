"""Claims: panels stand in the order named, each with its own curves; a series keeps its colour over sources and panels.

What is published lies behind what is measured; references are grey and may leave the panel at the bottom, models may
not; a band is drawn where a curve has both bounds; what lacks columns, sources or panels is refused.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from probe.errors import ProbeError
from probe.plots import Panels, curve_panels
from probe.plots.panels import BAND, CURVE_COLUMNS, LOOKS, OWN_ROWS

PANELS = Panels(titles={"b": "second", "a": "first"}, x_label="depth", y_label="error", levels={"a": 1.0, "b": 1.0})


def _curve(panel: str, series: str, source: str, values: list[float], run: int = 1, band: float = 0.0) -> pd.DataFrame:
    value = np.array(values)
    found = pd.DataFrame({"x": np.arange(len(values)), "value": value})
    bounds = {"low": value - band, "high": value + band} if band else {"low": None, "high": None}
    return found.assign(panel=panel, series=series, source=source, run=run, **bounds)[CURVE_COLUMNS]


@pytest.fixture
def curves() -> pd.DataFrame:
    return pd.concat(
        [
            _curve("a", "Mamba", "published", [0.9, 0.5, 0.1], run=1, band=0.02),
            _curve("a", "Mamba", "published", [0.8, 0.6, 0.2], run=2, band=0.02),
            _curve("a", "Mamba", "measured", [1.0, 0.4, 0.05]),
            _curve("a", "least squares", "measured", [1.0, 0.1, 1e-12]),
            _curve("b", "Mamba", "measured", [1.0, 0.7, 0.4]),
            _curve("b", "GD", "misprinted", [0.9, 0.8, 0.7]),
        ]
    )


def _lines(axes, series):
    return [line for line in axes.lines if line.get_label() == series]


def test_panels_stand_in_the_order_named_with_their_own_curves(curves):
    left, right = curve_panels(curves, PANELS).axes
    assert (left.get_title(loc="left"), right.get_title(loc="left")) == ("second", "first")
    assert [len(_lines(left, "Mamba")), len(_lines(right, "Mamba")), len(_lines(left, "GD"))] == [1, 3, 1]
    measured = next(line for line in _lines(right, "Mamba") if line.get_zorder() == LOOKS["measured"].order)
    assert np.allclose(measured.get_ydata(), [1.0, 0.4, 0.05])


def test_a_series_keeps_its_colour_and_the_published_lies_behind(curves):
    left, right = curve_panels(curves, PANELS).axes
    assert len({line.get_color() for line in [*_lines(left, "Mamba"), *_lines(right, "Mamba")]}) == 1
    orders = sorted(line.get_zorder() for line in _lines(right, "Mamba"))
    assert orders == [LOOKS["published"].order] * 2 + [LOOKS["measured"].order]
    assert len(right.collections) == 2  # the two published bands


def test_references_are_grey_and_may_leave_the_panel(curves):
    panels = replace(PANELS, references=("least squares",), colours={"Mamba": 3})
    _, right = curve_panels(curves, panels).axes
    assert _lines(right, "least squares")[0].get_color() == "black"
    assert to_hex(_lines(right, "Mamba")[0].get_color()) == "#cc79a7"
    bottom, top = right.get_ylim()
    assert 1e-12 < bottom < 0.05 and 1.0 < top < 30


def test_limits_hold_every_model_where_no_reference_is_named(curves):
    _, right = curve_panels(curves[curves["series"] == "Mamba"], PANELS).axes
    assert right.get_ylim()[0] < 0.05


def test_panels_may_have_axes_of_their_own(curves):
    panels = replace(
        PANELS,
        x_label={"a": "place", "b": "noise"},
        y_label={"a": "error", "b": "share"},
        y_scale={"a": "log", "b": "linear"},
    )
    left, right = curve_panels(curves, panels).axes
    assert [(axes.get_xlabel(), axes.get_ylabel(), axes.get_yscale()) for axes in (left, right)] == [
        ("noise", "share", "linear"),
        ("place", "error", "log"),
    ]


ROWS = replace(PANELS, titles={"b": "above", "a": "beneath"}, across=1)


def test_rows_that_show_one_quantity_have_one_range(curves):
    above, beneath = curve_panels(curves, ROWS).axes
    assert above.get_ylim() == beneath.get_ylim()
    other = curve_panels(curves, replace(ROWS, y_label={"b": "error", "a": "another"})).axes
    assert other[0].get_ylim() != other[1].get_ylim()


def test_rows_may_have_ranges_of_their_own_which_the_picture_says(curves):
    figure = curve_panels(curves, replace(ROWS, own_rows=True))
    above, beneath = figure.axes
    assert above.get_ylim() != beneath.get_ylim()
    assert OWN_ROWS in " ".join(figure.get_suptitle().split())
    assert OWN_ROWS not in " ".join(curve_panels(curves, ROWS).get_suptitle().split())


def test_a_band_is_seen_whole_unless_it_reaches_far_beyond_the_values():
    wide = _curve("a", "Mamba", "measured", [1.0, 0.5, 0.4]).assign(low=[0.9, 0.3, 0.2], high=[1.1, 0.8, 0.7])
    low, high = curve_panels(wide, replace(PANELS, titles={"a": "first"})).axes[0].get_ylim()
    assert low < 0.2 and high > 1.1
    far = wide.assign(low=[0.9, 0.3, 1e-9])
    assert curve_panels(far, replace(PANELS, titles={"a": "first"})).axes[0].get_ylim()[0] > 0.4 / (2 * BAND)


def test_a_single_value_has_a_bar_for_its_band():
    alone = _curve("a", "Mamba", "measured", [0.5]).assign(low=0.4, high=0.6)
    axes = curve_panels(alone, replace(PANELS, titles={"a": "first"})).axes[0]
    (bar,) = [path.vertices[:, 1].tolist() for one in axes.collections for path in one.get_paths()]
    assert sorted(bar) == [0.4, 0.6]


def test_a_log_axis_of_less_than_a_decade_has_plain_numbers(curves):
    narrow = curves.assign(x=18 + 6 * curves["x"])
    left, _ = curve_panels(narrow, replace(PANELS, x_scale="log", shared_x=False)).axes
    left.figure.draw_without_rendering()
    assert "20" in [label.get_text() for label in left.get_xticklabels(minor=True)]


def test_a_curve_far_above_the_level_leaves_at_the_top(curves):
    wild = pd.concat([curves, _curve("a", "S4", "published", [1.0, 500.0, 900.0])])
    _, right = curve_panels(wild, PANELS).axes
    assert right.get_ylim()[1] < 100


def test_the_legend_names_series_and_sources(curves):
    figure = curve_panels(curves, replace(PANELS, sources={"measured": "here", "published": "there"}))
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names[:3] == ["Mamba", "least squares", "GD"]
    assert {"here", "there", "misprinted", "predicting zero", "95 % band, by prompt"} <= set(names)


def test_what_cannot_be_drawn_is_refused(curves):
    with pytest.raises(ProbeError, match="lack x"):
        curve_panels(curves.drop(columns="x"), PANELS)
    with pytest.raises(ProbeError, match="No source is called 'ours'"):
        curve_panels(curves.assign(source="ours"), PANELS)
    with pytest.raises(ProbeError, match="No curve lies in a panel"):
        curve_panels(curves.assign(panel="z"), PANELS)
