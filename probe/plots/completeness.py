"""How complete and how selective it is to exchange a layer's answer for another prompt's, by layer."""

from __future__ import annotations

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from probe.plots import style
from probe.plots.canvas import whole
from probe.plots.rows import Part, begin, draw_curve, equal, finish, of_one_claim, rows_of
from probe.plots.style import Line

WAYS: dict[str, tuple[str, str, Line, str]] = {
    "counterfactual:head": ("along the head's weights", style.COLOURS[0], "-", "o"),
    "counterfactual:pattern": ("as the answer varies", style.COLOURS[1], "--", "s"),
    "counterfactual:stream": ("the whole stream at the query", style.COLOURS[2], "-.", "^"),
}
"""By the site of its rows, the way in which an answer is exchanged."""
METRICS: dict[str, tuple[str, str, str]] = {
    "completeness": ("does the model answer as the donor?", "1 = the donor's answer", "0 = its own"),
    "selectivity": ("does the rest stay as it was?", "1 = nothing else moves", "0 = all of it does"),
    "reliability": ("the harmonic mean of both", "1 = both are 1", "0 = one of them is 0"),
}
"""By the metric, what it asks, and what 1 and 0 mean."""


def draw_completeness(table: pd.DataFrame, title: str | None = None, part: Part = None) -> Figure:
    """Draws the counterfactual rows of ``causes`` of one model, a panel a metric.

    Args:
        table: rows of a record of evidence.
        title: a line above the picture.
        part: of a page, to draw into; by default a page of its own.

    Raises:
        ProbeError: if the record holds no such rows, or those of several models.
    """
    rows = rows_of(table[table["site"].isin(list(WAYS))], "causes", "completeness")
    with style.page():
        figure = begin(part, 2, 2.4, title)
        for axes, metric in zip(figure.subplots(1, len(METRICS)), METRICS, strict=True):
            _panel(axes, equal(rows, metric=metric), metric)
        style.add_legend(figure, _keys(rows), beside=False)
    return whole(figure)


def _panel(axes: Axes, rows: pd.DataFrame, metric: str) -> None:
    asks, one, zero = METRICS[metric]
    for site, (words, colour, line, marker) in WAYS.items():
        draw_curve(axes, equal(rows, site=site), "layer", colour, line, marker, words)
    for level in (0.0, 1.0):
        axes.axhline(level, color="black", linewidth=0.7, zorder=1)
    finish(axes, f"{metric}\n{asks}", style.X_LABELS["layer"], f"{one}\n{zero}")
    axes.set_ylim(-0.05, 1.05)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "", "0.5", "", "1"])


def _keys(rows: pd.DataFrame) -> list[Artist]:
    there = [look for site, look in WAYS.items() if (rows["site"] == site).any()]
    return [*(style.key_line(*look) for look in there), style.key_band()]


completeness_figure = of_one_claim(draw_completeness, "causes", "a picture of completeness")
"""Draws the picture of one record of a claim, as `draw_completeness` does of its table."""
