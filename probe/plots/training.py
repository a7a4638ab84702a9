"""The training curve: loss and error against the step."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from probe.errors import ProbeError
from probe.plots import style, words
from probe.plots.canvas import canvas, whole
from probe.plots.style import USUAL, Series, View
from probe.records import Record

SMOOTH_FROM = 200
"""With more points than this the loss is drawn faintly, its running median over it."""
MARKED = 40
"""As many errors have markers at most."""


def training_curve(records: Sequence[Record], view: View = USUAL) -> Figure:
    """Draws loss, and error where it was measured, against the step on log axes.

    Faint vertical lines are the steps at which the curriculum moved on. In axes of the reader's own the loss is drawn
    alone.
    """
    style.check_view(view, "a training curve", "ax")
    series = style.read_series(records, "train", "a training curve")
    quantities = [name for name in ("loss", "error") if any(_points(one, name).size for one in series)]
    if "loss" not in quantities:
        raise ProbeError("The record has no positive loss to draw. Give the .csv of probe train.")
    quantities = quantities[:1] if isinstance(view.ax, Axes) else quantities
    changes = {one.label: _changes(one.table) for one in series}
    units = list(dict.fromkeys(words.unit(record) for record in records))
    # signs and symbols are trained by their cross-entropy
    labels = {"loss": "training loss" + ", squared error" * (units == [words.ZERO]), "error": "normalised error"}
    columns = view.columns or 1
    with style.page():
        figure = canvas(view.ax, columns, 0.4 + 1.7 * len(quantities))
        panels = figure.subplots(len(quantities), sharex=True, squeeze=False)[:, 0]
        for axes, quantity in zip(panels, quantities, strict=True):
            _draw_changes(axes, series, changes)
            for one in series:
                _draw(axes, one, quantity)
            axes.set_yscale("log")
            axes.set_ylabel(labels[quantity])
            axes.margins(x=0.02)
        if quantities[-1] == "error":
            panels[-1].axhline(1.0, color="black", linewidth=0.7, zorder=1, label="zero")
        for axes in panels:
            style.log_ticks(axes)
        panels[-1].set_xlabel("training step")
        panels[-1].xaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10], integer=True))
        figure.align_ylabels(panels)
        words.head_line(figure, view.title, words.about(records, "one training each, no bands"))
        style.add_legend(figure, _key(series, any(changes.values()), units if "error" in quantities else []))
    return whole(figure)


def _points(one: Series, quantity: str) -> pd.DataFrame:
    """Returns the steps and positive values of a column that may be empty elsewhere."""
    if quantity not in one.table.columns:
        return pd.DataFrame()
    rows = one.table[["step", quantity]].astype("float64").dropna().sort_values("step")
    return rows[rows[quantity] > 0]


def _draw(axes: Axes, one: Series, quantity: str) -> None:
    rows = _points(one, quantity)
    if rows.empty:
        return
    if _smoothed(one, quantity):
        axes.plot(rows["step"], rows[quantity], color=one.colour, alpha=0.25, linewidth=0.5)
        window = max(5, len(rows) // 60)
        rows = rows.assign(**{quantity: rows[quantity].rolling(window, center=True, min_periods=1).median()})
    marker = _marker(one) if quantity == "error" else ""
    axes.plot(rows["step"], rows[quantity], color=one.colour, marker=marker, label=f"{one.label} {quantity}")


def _marker(one: Series) -> str:
    """Returns the marker of a model's errors, none where there are too many to tell markers apart."""
    return one.marker if 0 < len(_points(one, "error")) <= MARKED else ""


def _smoothed(one: Series, quantity: str) -> bool:
    """Returns whether a running median is drawn over the values: a loss is of one batch, and jumps."""
    return quantity == "loss" and len(_points(one, quantity)) > SMOOTH_FROM


def _changes(table: pd.DataFrame) -> list[float]:
    """Returns the steps at which the dimension or the number of examples changed."""
    if not {"dim", "context"} <= set(table.columns):
        return []
    stages = table.sort_values("step")[["step", "dim", "context"]].astype("float64").dropna()
    moved = (stages[["dim", "context"]].diff().fillna(0) != 0).any(axis=1)
    return [float(step) for step in stages.loc[moved, "step"]]


def _draw_changes(axes: Axes, series: Sequence[Series], changes: dict[str, list[float]]) -> None:
    """Draws grey lines where the models share a curriculum, else each in its model's colour."""
    shared = len({tuple(steps) for steps in changes.values()}) == 1
    for one in series[:1] if shared else series:
        colour = style.GREY if shared else one.colour
        for step in changes[one.label]:
            axes.axvline(step, color=colour, alpha=0.5, linewidth=0.6, linestyle=":", label="curriculum")


def _key(series: Sequence[Series], staged: bool, units: Sequence[str]) -> list[Artist]:
    handles: list[Artist] = [style.key_line(one.label, one.colour, marker=_marker(one)) for one in series]
    if any(_smoothed(one, "loss") for one in series):
        handles.append(style.key_line("strong: running median"))
    if staged:
        handles.append(style.key_line("curriculum moves on", line=":"))
    return [*handles, style.key_line(" or ".join(units), "black")] if units else handles
