"""How much of w each layer's answers hold along an eigenvector of X'X, against its eigenvalue."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

from probe.plots import style, words
from probe.plots.canvas import whole
from probe.plots.rows import Part, begin, draw_curve, equal, finish, layer_colour, numbers, of_one_claim, rows_of

HEADS = {"linear": ("linear head", style.COLOURS[3], "s"), "lens": ("lens", style.COLOURS[1], "D")}
STEPS = (1.0, 2.0, 4.0, 8.0)
PENALTIES = (0.01, 0.1, 1.0)
TICKS = (0.001, 0.01, 0.1, 0.2, 0.5, 1.0)
FOLLOWED = "followed response"
LEAST = 1e-3
"""Bins of smaller eigenvalues, which examples hardly show, stand here."""


def draw_spectral(table: pd.DataFrame, title: str | None = None, part: Part = None) -> Figure:
    """Draws the rows of ``spectral`` of one model: a panel a reading, and what no weights explain.

    Beneath a reading stands the algorithm that came closest to it, at the steps that the layers stand at, over what
    was read of them, where the record holds that.

    Args:
        table: rows of a record of evidence.
        title: a line above the picture.
        part: of a page, to draw into; by default a page of its own.
    """
    rows = rows_of(table, "spectral", "response")
    read = [head for head in HEADS if (equal(rows, metric="response")["head"] == head).any()]
    followed = [head for head in read if len(equal(rows, metric=FOLLOWED, head=head))]
    layers = numbers(equal(rows, metric="response"), "layer")
    down = 2 if followed else 1
    with style.page():
        figure = begin(part, 2, 2.8 * down, title)
        panels = figure.subplots(down, len(read) + 1, squeeze=False)
        for place, head in enumerate(read):
            _response_panel(panels[0, place], rows, head, layers)
            if head in followed:
                _followed_panel(panels[1, place], rows, head, layers)
        style.share_limits(list(panels[0, : len(read)]))  # readings of one quantity, as are the algorithms beneath
        style.share_limits([axes for axes in panels[1:].flat if axes.has_data()])
        _nonlinear_panel(panels[0, -1], rows, read)
        for axes in panels[1:].flat:
            if not axes.has_data():
                axes.remove()
        style.add_legend(figure, _keys(read, layers, bool(followed)))
    return whole(figure)


def _response_panel(axes: Axes, rows: pd.DataFrame, head: str, layers: list[int]) -> None:
    """Draws a line a layer along the eigenvalue, over the filters of two algorithms."""
    found = _by_eigenvalue(rows, "response", head)
    at = np.geomspace(found["eigenvalue"].min(), 1.0, 60)
    for steps in STEPS:
        axes.plot(at, 1 - (1 - at) ** steps, color=style.GREY, linestyle=":", linewidth=0.9, zorder=1)
    for penalty in PENALTIES:
        axes.plot(at, at / (at + penalty), color=style.GREY, linestyle="--", linewidth=0.7, zorder=1)
    for layer in layers:
        chosen = equal(found, layer=layer)
        draw_curve(axes, chosen, "eigenvalue", layer_colour(layer, layers), marker="o", label=f"layer {layer}")
    _finish(axes, f"read by the {HEADS[head][0]}", found)


def _followed_panel(axes: Axes, rows: pd.DataFrame, head: str, layers: list[int]) -> None:
    """Draws the algorithm that came closest, a line a layer, and what was read of the layer as points."""
    read, found = _by_eigenvalue(rows, "response", head), _by_eigenvalue(rows, FOLLOWED, head)
    for layer in layers:
        colour, chosen = layer_colour(layer, layers), equal(read, layer=layer)
        draw_curve(axes, equal(found, layer=layer), "eigenvalue", colour, label=f"layer {layer}")
        axes.plot(chosen["eigenvalue"], chosen["value"], color=colour, linestyle="", marker="o", markersize=2.5)
    _finish(axes, f"the closest algorithm: {style.name(str(found['site'].iloc[0]))}", read)


def _by_eigenvalue(rows: pd.DataFrame, metric: str, head: str) -> pd.DataFrame:
    """Returns the rows of a reading with the mean eigenvalue of their bin."""
    mean = equal(rows, metric="eigenvalue").set_index("step")["value"].astype("float64").clip(lower=LEAST)
    found = equal(rows, metric=metric, head=head)
    return found.assign(eigenvalue=found["step"].map(mean).astype("float64"))


def _finish(axes: Axes, title: str, read: pd.DataFrame) -> None:
    """Sets the axes of a panel, from what was read of the layers."""
    finish(axes, title, "eigenvalue of X'X over the largest", "share of w along eigenvectors")
    axes.set_xscale("log")
    least = 0.9 * float(read["eigenvalue"].min())
    axes.xaxis.set_major_locator(FixedLocator([tick for tick in TICKS if tick >= least]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_ylim(-0.15, max(1.3, min(float(read["value"].max()) + 0.1, 2.0)))


def _nonlinear_panel(axes: Axes, rows: pd.DataFrame, read: list[str]) -> None:
    """Draws the share of a layer's answers that no weights explain."""
    for head in read:
        said, colour, marker = HEADS[head]
        draw_curve(axes, equal(rows, metric="nonlinear", head=head), "layer", colour, marker=marker, label=said)
    finish(axes, "not linear in the query", style.X_LABELS["layer"], "share of the answers' squares")
    axes.set_ylim(bottom=0)


def _keys(read: list[str], layers: list[int], followed: bool) -> list[Artist]:
    """Returns the legend: layers, the algorithms, and the readings of the last panel."""
    steps, sizes = (", ".join(f"{each:g}" for each in several) for several in (STEPS, PENALTIES))
    entries: list[Artist] = [
        style.key_line(f"layer {layer}", layer_colour(layer, layers), marker="o") for layer in layers
    ]
    entries.append(style.key_line(f"{steps} steps of gradient descent", line=":"))
    entries.append(style.key_line(f"ridge, penalty {sizes} times the largest", line="--"))
    for said, colour, marker in (HEADS[head] for head in read):
        entries.append(style.key_line(said, colour, marker=marker))
    if followed:
        entries.append(style.key_line("read of the layer, beside the algorithm", line="", marker="o"))
    return [*entries, style.key_band()]


spectral_figure = of_one_claim(draw_spectral, "spectral", "a picture of the spectrum", words.LETTERS)
"""Draws the picture of one record of a claim, as `draw_spectral` does of its table."""
