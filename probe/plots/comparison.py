"""What probe compare measured: layer curves on one axis of depth, and ratios of errors with paired bands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from probe.errors import ProbeError
from probe.plots import style
from probe.plots.style import USUAL, View
from probe.records import Record, tidy

AXES = {
    "blocks": "share of blocks up to the layer",
    "parameters": "share of parameters up to the layer",
    "flops": "share of FLOPs up to the layer",
}


NEAR = 8.0
"""Ratio axes that span less than this factor have finer ticks."""


def comparison(records: Sequence[Record], view: View = USUAL) -> Figure:
    """Draws the layer curves of the compared checkpoints, and every pair's ratio of errors by depth and by context.

    Bands of ratios are simultaneous 95 %, over a panel's points.
    """
    style.check_view(view, "a comparison")
    if not records:
        raise ProbeError("No record was given, but a comparison is drawn from one. Give the .csv of probe compare.")
    if len(records) != 1 or "ratio" not in records[0].table.columns:
        raise ProbeError("A comparison is drawn from one record of probe compare. Give its .csv alone.")
    record = records[0]
    table, models = tidy(record.table), dict(record.provenance.get("models") or {})
    pairs = list(table.groupby(["model", "other"], sort=False))
    with style.page():
        figure = style.new_figure(2, 2.6, view.title)
        curves, layers, contexts = figure.subplots(1, 3)
        colours = {name: style.COLOURS[i % len(style.COLOURS)] for i, name in enumerate(models)}
        _draw_curves(curves, models, colours, _axis(record))
        for place, (_, pair) in enumerate(pairs):
            colour = _pair_colour(place, len(pairs))
            _draw_ratio(layers, pair[pair["quantity"] == "layer"], "depth", colour, "post")
            _draw_ratio(contexts, pair[pair["quantity"] == "own"], "context", colour, None)
        _finish_ratios(layers, AXES.get(_axis(record), "depth"), "ratio of the head's errors")
        _finish_ratios(contexts, "examples in context", "ratio of the models' own errors")
        style.whole_numbers(contexts)
        style.add_legend(figure, _key(models, colours, [f"{a} / {b}" for (a, b), _ in pairs]))
    return figure


def _axis(record: Record) -> str:
    config = record.provenance.get("config")
    return str(config.get("depth", "blocks") if isinstance(config, dict) else getattr(config, "depth", "blocks"))


def _draw_curves(axes: Axes, models: dict[str, Any], colours: dict[str, str], axis: str) -> None:
    errors = [error for about in models.values() for error in about["errors"] if error and error > 0]
    style.log_errors(axes, min(errors, default=1e-2) / 1.7, max(1.0, *errors) * 1.7)
    axes.axhline(1.0, color="black", linewidth=0.7, zorder=1)
    for place, (name, about) in enumerate(models.items()):
        axes.plot(
            about["depths"],
            [np.nan if error is None else error for error in about["errors"]],
            color=colours[name],
            marker=style.MARKERS[place % len(style.MARKERS)],
        )
    axes.set_xlabel(AXES.get(axis, "depth"))
    axes.set_ylabel(style.ERROR_LABEL)
    axes.set_title("head's error", loc="left", fontsize=7.5)


def _pair_colour(place: int, pairs: int) -> str:
    return style.COLOURS[2] if pairs == 1 else style.COLOURS[::-1][place % len(style.COLOURS)]


def _draw_ratio(axes: Axes, rows: pd.DataFrame, x: str, colour: str, step: Any) -> None:
    rows = rows.sort_values(x)
    at = rows[x].to_numpy(dtype=np.float64)
    low, high = rows["all_low"].to_numpy(dtype=np.float64), rows["all_high"].to_numpy(dtype=np.float64)
    axes.fill_between(at, low, high, color=colour, alpha=0.18, linewidth=0, step=step)
    if step is None:
        axes.plot(at, rows["ratio"], color=colour)
    else:
        axes.step(at, rows["ratio"], color=colour, where=step)


def _finish_ratios(axes: Axes, label: str, title: str) -> None:
    axes.axhline(1.0, color="black", linewidth=0.7, zorder=1)
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    # ratios near 1 span too little for three ticks a decade
    subs = (1.0, 1.2, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0) if high / low < NEAR else (1.0, 2.0, 5.0)
    axes.yaxis.set_major_locator(LogLocator(subs=subs, numticks=20))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.grid(True, axis="y", which="major")
    axes.set_xlabel(label)
    axes.set_title(title, loc="left", fontsize=7.5)


def _key(models: dict[str, Any], colours: dict[str, str], pairs: Sequence[str]) -> list[Artist]:
    handles: list[Artist] = [
        style.key_line(
            f"{name} ({style.count(int(about['blocks']), 'block')})",
            colours[name],
            marker=style.MARKERS[i % len(style.MARKERS)],
        )
        for i, (name, about) in enumerate(models.items())
    ]
    handles += [style.key_line(name, _pair_colour(i, len(pairs))) for i, name in enumerate(pairs)]
    band = Patch(facecolor=style.GREY, alpha=0.3, linewidth=0, label="95 % band, over all points of a panel")
    return [*handles, band, style.key_line("1: predicting zero, or equal errors", "black")]
