"""The calibration curves: what scale and shift turn the early lens into the target."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from probe.errors import ProbeError
from probe.plots import style, words
from probe.plots.canvas import canvas, whole
from probe.plots.style import USUAL, Series, View
from probe.records import Record

NEUTRAL = {"scale": 1.0, "shift": 0.0}


def calibration_curve(records: Sequence[Record], view: View = USUAL) -> Figure:
    """Draws scale and shift of the calibrated lens against depth, a panel each, with their bands.

    Thin black lines are the values that would leave the lens as it is. The view may set x, context
    and target.
    """
    style.check_view(view, "a calibration curve", "ax", "x", "context", "target")
    series = style.read_series(records, "fit", "a calibration curve", view.target)
    for one in series:
        if not set(NEUTRAL) <= set(one.table.columns) or one.rows("calibrated").empty:
            raise ProbeError(f"The record of {one.label} lacks scale and shift. Fit it with --head calibrated.")
    context = style.choose_context(series, ["calibrated"], view.context)
    x = style.choose_x(series, view.x)
    columns = view.columns or 2
    with style.page():
        figure = canvas(view.ax, columns, 2.2 if columns == 2 else 3.8)
        panels = figure.subplots(3 - columns, columns)
        figure.align_ylabels(panels)
        for axes, quantity in zip(panels, NEUTRAL, strict=True):
            axes.axhline(NEUTRAL[quantity], color="black", linewidth=0.7, zorder=1, label="neutral")
            for one in series:
                _draw(axes, one, quantity, one.rows("calibrated", context), x)
            axes.set_ylabel(quantity)
            axes.set_xlabel(style.X_LABELS[x])
            axes.margins(x=0.02)
            axes.grid(True, axis="y")
            if x == "layer":
                style.whole_numbers(axes)
        panels[0].set_title(words.contexts(records).place(context), loc="left", fontsize=7.5)
        tables = [one.rows("calibrated", context) for one in series]
        drawn = pd.concat([table["prompts"] for table in tables if "prompts" in table] or [pd.Series(dtype="float64")])
        words.head_line(figure, view.title, words.about(records, words.POINTWISE, drawn))
        style.add_legend(figure, _key(series, len(panels[0].collections) > 0))
    return whole(figure)


def _draw(axes: Axes, one: Series, quantity: str, rows: pd.DataFrame, x: str) -> None:
    rows = rows[rows[quantity].notna()]
    at = one.positions(x, rows["layer"])
    low, high = f"{quantity}_low", f"{quantity}_high"
    if {low, high} <= set(rows.columns):
        style.draw_band(axes, at, rows[low], rows[high], one.colour)
    values = rows[quantity].to_numpy(dtype=np.float64)
    axes.plot(at, values, color=one.colour, marker=one.marker if len(rows) <= 40 else "", label=one.label)


def _key(series: Sequence[Series], banded: bool) -> list[Artist]:
    handles: list[Artist] = [style.key_model(one) for one in series]
    bands: list[Artist] = [style.key_band()] if banded else []
    return [*handles, *bands, style.key_line("no calibration", "black")]
