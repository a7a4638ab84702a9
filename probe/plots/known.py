"""What is known where: the errors of heads for an algorithm's quantities, layer by layer, linear and two-layer."""

from __future__ import annotations

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from probe.plots import style
from probe.plots.canvas import whole
from probe.plots.rows import Part, begin, draw_curve, equal, finish, numbers, of_one_claim, panel_key, rows_of
from probe.plots.style import Line
from probe.plots.words import LETTERS

QUANTITIES = {"y": "y", "w": "w", "gradient": "X'y / n", "least_squares": "least squares",
              "gd_1": "1 step of gradient descent", "gd_4": "4 steps of gradient descent",
              "online_gd": "online gradient descent", "preconditioned x": "preconditioned x"}  # fmt: skip
HEADS: dict[str, tuple[str, str, Line]] = {
    "linear": ("linear head", style.SECOND[0], "-"),
    "two_layer": ("two-layer head", style.SECOND[2], "-"),
    "linear, untrained": ("linear head, untrained", style.SECOND[0], ":"),
    "two_layer, untrained": ("two-layer head, untrained", style.SECOND[2], ":"),
}
MEMORY = "stream at x, in memory"


def draw_known(table: pd.DataFrame, title: str | None = None, part: Part = None) -> Figure:
    """Draws the rows of ``known`` of one model, after the most examples.

    Panels: the error of every quantity by layer; that of what was left of y beside y's at the layer before; and, where
    the rows hold a two-layer head, both heads for y and for w.

    Args:
        table: rows of a record of evidence.
        title: a line above the picture.
        part: of a page, to draw into; by default a page of its own.
    """
    rows = rows_of(table, "known", "error of ")
    rows = equal(rows, context=numbers(rows, "context")[-1])
    compared = [name for name in ("y", "w") if len(_error(rows, name, MEMORY))]
    with style.page():
        figure = begin(part, 2, 3.1 if not compared else 6.0, title)
        panels = figure.subplots(2 if compared else 1, 2, squeeze=False)
        drawn = _quantities(panels[0, 0], rows)
        _remainder(panels[0, 1], rows)
        for axes, name in zip(panels[-1], compared, strict=False):
            _heads(axes, rows, name)
        for axes in panels[-1][len(compared) :] if compared else ():
            axes.remove()
        left, right, heads = _keys(drawn, rows)
        panel_key(panels[0, 0], left, 2)
        panel_key(panels[0, 1], right, 2)
        for axes in panels[-1][: len(compared)] if compared else ():
            panel_key(axes, heads, 2)
    return whole(figure)


def _error(rows: pd.DataFrame, name: str, site: str, head: str = "linear") -> pd.DataFrame:
    return equal(rows, metric=f"error of {name}", site=site, head=head)


def _quantities(axes: Axes, rows: pd.DataFrame) -> list[str]:
    drawn = [name for name in QUANTITIES if len(_error(rows, name, "stream at x"))]
    for i, name in enumerate(drawn):
        draw_curve(axes, _error(rows, name, "stream at x"), "layer", _colour(i), marker=_marker(i), label=name)
    examples = numbers(rows, "context")[-1]
    _errors(axes, f"quantities, after {examples} examples", rows)
    return drawn


def _remainder(axes: Axes, rows: pd.DataFrame) -> None:
    """Draws what is left of the remainder beside what there was of it: y's error a layer earlier."""
    before = _error(rows, "y", "stream at x").copy()
    before["layer"] = before["layer"] + 1
    before = before[before["layer"] <= rows["layer"].max()]
    draw_curve(axes, before, "layer", "black", "--", label="left by the layer before")
    draw_curve(axes, _error(rows, "remainder", "written at x"), "layer", style.SECOND[1], marker="D", label="remainder")
    _errors(axes, "what was left of y, in a block's output", rows)


def _heads(axes: Axes, rows: pd.DataFrame, name: str) -> None:
    for head, (_, colour, line) in HEADS.items():
        draw_curve(axes, _error(rows, name, MEMORY, head), "layer", colour, line, label=head)
    for head, grey in (("linear", style.GREY), ("two_layer", "black")):
        draw_curve(axes, _error(rows, "shuffled", MEMORY, head), "layer", grey, "-.", label=f"{head} shuffled")
    _errors(axes, f"{name} by two heads", rows)


def _errors(axes: Axes, title: str, rows: pd.DataFrame) -> None:
    values = rows.loc[rows["metric"].str.startswith("error of "), "value"]
    axes.axhline(1.0, color="black", linewidth=0.7, zorder=1)
    finish(axes, title, style.X_LABELS["layer"], style.ERROR_LABEL)
    style.log_errors(axes, max(float(values[values > 0].min()), 1e-16) / 1.7, max(float(values.max()), 1.0) * 1.7)


def _keys(drawn: list[str], rows: pd.DataFrame) -> tuple[list[Artist], list[Artist], list[Artist]]:
    """Returns the legends of the quantities, of what was left of y, and of the heads."""
    zero = style.key_line("predicting zero", "black")
    quantities: list[Artist] = [
        style.key_line(QUANTITIES[name], _colour(i), marker=_marker(i)) for i, name in enumerate(drawn)
    ]
    left: list[Artist] = [
        style.key_line("y's error a layer earlier", "black", "--"),
        style.key_line("head for what was left", style.SECOND[1], marker="D"),
    ]
    present = set(rows["head"].dropna())
    heads: list[Artist] = [
        style.key_line(words, colour, line) for head, (words, colour, line) in HEADS.items() if head in present
    ]
    heads.append(style.key_line("another prompt's y, linear", line="-."))
    heads.append(style.key_line("another prompt's y, two-layer", "black", "-."))
    return [*quantities, zero, style.key_band()], [*left, zero], [*heads, zero]


def _colour(i: int) -> str:
    return [*style.COLOURS, "black", style.GREY][i % 8]


def _marker(i: int) -> str:
    return [*style.MARKERS, "X", "*"][i % 8]


known_figure = of_one_claim(draw_known, "known", "a picture of what is known", LETTERS)
"""Draws the picture of one record of a claim, as `draw_known` does of its table."""
