"""By how much each example moves the answer, and what falls on it of a Mamba's implicit attention."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from probe.plots import style
from probe.plots.canvas import whole
from probe.plots.rows import Part, begin, draw_curve, equal, finish, layer_colour, numbers, of_one_claim, rows_of

DERIVATIVE, SHARE = "mean absolute derivative", "share of implicit attention"
RATE = "halvings per example"


def draw_influence(table: pd.DataFrame, title: str | None = None, part: Part = None) -> Figure:
    """Draws the rows of ``influence`` of one model: the derivative, and implicit attention where it has one.

    Args:
        table: rows of a record of evidence.
        title: a line above the picture.
        part: of a page, to draw into; by default a page of its own.
    """
    rows = rows_of(table, "influence", DERIVATIVE)
    attends = bool((rows["metric"] == SHARE).any())
    with style.page():
        figure = begin(part, 2 if attends else 1, 2.6, title)
        panels = figure.subplots(1, 3 if attends else 1, squeeze=False)[0]
        _derivatives(panels[0], rows)
        if attends:
            _shares(panels[1], rows)
            _forgetting(panels[2], rows)
        entries = [
            style.key_line("model", style.COLOURS[0], marker="o"),
            style.key_line("least squares", "black", "--"),
        ]
        if attends:
            layers = numbers(equal(rows, metric=SHARE), "layer")
            entries += [style.key_line(f"layer {layer}", layer_colour(layer, layers), marker=".") for layer in layers]
            entries.append(style.key_line("equal shares", line=":"))
        style.add_legend(figure, [*entries, style.key_band()])
    return whole(figure)


def _derivatives(axes: Axes, rows: pd.DataFrame) -> None:
    found = equal(rows, metric=DERIVATIVE)
    draw_curve(axes, equal(found, head="least_squares"), "step", "black", "--", label="least squares")
    draw_curve(axes, equal(found, head="model"), "step", style.COLOURS[0], marker="o", label="model")
    finish(axes, _life(equal(rows, metric=RATE, head="model")), "example's place", "|d answer / d y|, mean")
    axes.set_ylim(bottom=0)


def _shares(axes: Axes, rows: pd.DataFrame) -> None:
    found = equal(rows, metric=SHARE)
    layers = numbers(found, "layer")
    for layer in layers:
        colour = layer_colour(layer, layers)
        draw_curve(axes, equal(found, layer=layer), "step", colour, marker=".", label=f"layer {layer}")
    axes.axhline(1 / len(numbers(found, "step")), color=style.GREY, linewidth=0.8, linestyle=":")
    finish(axes, "implicit attention", "example's place", "share of implicit attention")
    axes.set_ylim(bottom=0)


def _forgetting(axes: Axes, rows: pd.DataFrame) -> None:
    """Draws the inverse of the half-life, which has a value and a band where nothing is forgotten too."""
    found = equal(rows, metric=RATE, head="mamba").sort_values("layer")
    values, low, high = (found[name].to_numpy(dtype=np.float64) for name in ("value", "low", "high"))
    layers = numbers(found, "layer")
    for i, layer in enumerate(layers):
        spread = [[max(values[i] - low[i], 0)], [max(high[i] - values[i], 0)]]
        axes.errorbar([layer], [values[i]], yerr=spread, color=layer_colour(layer, layers), marker="o", capsize=2)
    for rate in equal(rows, metric=RATE, head="model")["value"]:
        axes.axhline(float(rate), color=style.COLOURS[0], linewidth=1.0)
    axes.axhline(0, color="black", linewidth=0.7, zorder=1)
    finish(axes, "how soon it is forgotten", "layer", "halvings per example (1 / half-life)")


def _life(rates: pd.DataFrame) -> str:
    """Returns the half-life with its band, one over that of the rate; a rate that may be 0 is no forgetting known."""
    if rates.empty or rates["value"].isna().any():
        return "half-life unknown"
    value, low, high = (float(rates[name].iloc[0]) for name in ("value", "low", "high"))
    if low > 0:
        return f"half-life {1 / value:.3g} examples\n({1 / high:.3g} to {1 / low:.3g})"
    if high <= 0:
        return "no half-life: not forgotten"
    return f"half-life undecided: {1 / high:.3g} examples or more" if high > 0 else "half-life unknown"


influence_figure = of_one_claim(draw_influence, "influence", "a picture of influence")
"""Draws the picture of one record of a claim, as `draw_influence` does of its table."""
