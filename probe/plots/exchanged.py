"""What later blocks leave of an answer that was exchanged for another prompt's, and how much of it was fixed."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from probe.plots import style
from probe.plots.rows import draw_curve, equal, finish, panel_key, rows_of
from probe.plots.style import Line

SITES: dict[str, tuple[str, str, Line, str]] = {
    "exchanged at all tokens": ("at all tokens", style.COLOURS[0], "-", "o"),
    "exchanged at query": ("at the query", style.COLOURS[1], "--", "s"),
    "exchanged at all tokens, as read": ("at all tokens, as read", style.COLOURS[2], "-.", "^"),
    "exchanged at query, as read": ("at the query, as read", style.COLOURS[3], ":", "D"),
    "gradient descent": ("as gradient descent would", style.GREY, (0, (1, 3)), "x"),
    "exchanged in states": ("in the block's state", style.COLOURS[4], (0, (5, 1, 1, 1)), "v"),
}
KNOWN = style.COLOURS[5]
"""Of how far the layer's own answer goes to the donor's."""
UNCORRECTED, THRESHOLD = 1.0, 0.9
"""What is left where no later block answers, and the most that may be left where one does."""


def draw_exchanged(table: pd.DataFrame, metric: str) -> Figure:
    """Draws one panel of what was exchanged in one model, one column of a paper wide.

    Args:
        metric: "kept" or "share".

    Raises:
        ProbeError: if the record holds no such rows, or those of several models.
    """
    rows = rows_of(table[table["site"].isin(list(SITES))], "loop", metric)
    with style.page():
        figure = style.new_figure(1, 3.2, None)
        axes = figure.subplots()
        panel_key(axes, PANELS[metric](axes, rows), 2)
    return figure


def kept_panel(axes: Axes, rows: pd.DataFrame) -> list[Artist]:
    """Draws what is left of an exchanged answer by the layer of the exchange, and returns the legend."""
    there = _there(rows, "kept")
    for site in there:
        words, colour, line, marker = SITES[site]
        draw_curve(axes, equal(rows, site=site, metric="kept"), "layer", colour, line, marker, words)
    axes.axhline(UNCORRECTED, color="black", linewidth=0.7, zorder=1)
    axes.axhline(THRESHOLD, color="black", linewidth=0.7, linestyle=":", zorder=1)
    axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    where = f"{style.X_LABELS['layer']}, where it is exchanged"
    finish(axes, "an exchanged answer, as later blocks leave it", where, "share that is left")
    return [
        *_keys(there),
        style.key_line("nothing is corrected", "black"),
        style.key_line(f"at most {THRESHOLD:g} may be left", "black", ":"),
        style.key_band(),
    ]


def share_panel(axes: Axes, rows: pd.DataFrame) -> list[Artist]:
    """Draws how far the model's own answer follows the donor, beside how far the layer's reading did."""
    there = _there(rows, "share")
    for site in there:
        words, colour, line, marker = SITES[site]
        draw_curve(axes, equal(rows, site=site, metric="share"), "layer", colour, line, marker, words)
    # the query's own reading is exchanged alike, whatever else is
    for site in there[:1]:
        draw_curve(axes, equal(rows, site=site, metric="known"), "layer", KNOWN, ":", "P", "known")
    axes.axhline(1.0, color="black", linewidth=0.7, zorder=1)
    axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    where = f"{style.X_LABELS['layer']}, where it is exchanged"
    finish(axes, "how far the model's answer follows the donor's", where, "share of the way")
    return [
        *_keys(there),
        style.key_line("the layer's own answer", KNOWN, ":", "P"),
        style.key_line("all of the way", "black"),
    ]


PANELS: dict[str, Callable[[Axes, pd.DataFrame], list[Artist]]] = {"kept": kept_panel, "share": share_panel}
"""By the metric, what draws it and returns the legend."""


def _keys(there: list[str]) -> list[Artist]:
    return [style.key_line(*SITES[site]) for site in there]


def _there(rows: pd.DataFrame, metric: str) -> list[str]:
    return [site for site in SITES if len(equal(rows, site=site, metric=metric))]
