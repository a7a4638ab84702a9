"""The simplex of beliefs: where a head puts each prompt, coloured by where it truly is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from probe.errors import ProbeError
from probe.plots import style, words
from probe.plots.canvas import canvas, whole
from probe.plots.style import USUAL, View
from probe.records import Record

STATES = 3
TRUE = [f"true_{state}" for state in range(STATES)]
PREDICTED = [f"predicted_{state}" for state in range(STATES)]
CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, 3**0.5 / 2]])
"""Where a belief that is sure of a state lies."""
ACROSS = {1: 2, 2: 3}
"""Panels in a row, by the columns of a paper."""
HIGH = {1: 1.6, 2: 2.1}
"""Of a row in inches, by the columns of a paper."""
BEYOND = 0.14
"""How far outside the triangle a panel reaches."""


def simplex_figure(records: Sequence[Record], view: View = USUAL) -> Figure:
    """Draws the true beliefs, and a panel a model of those that its head predicts, each in the colour of the true one.

    Red, green and blue are the probabilities of the three states (Shai et al., 2024, arXiv:2405.15943, figure 1).
    Of a record of several layers, the view may set one; the last is drawn unless it does.
    """
    style.check_view(view, "a simplex", "ax", "layers")
    panels: list[tuple[str, pd.DataFrame]] = []
    for record in records:
        lacking = [name for name in ("model", "layer", *TRUE, *PREDICTED) if name not in record.table.columns]
        if lacking:
            raise ProbeError(
                f"A record without {', '.join(lacking)} was given, but a simplex shows true and predicted beliefs of "
                f"{STATES} states. Give a record of beliefs."
            )
        for name, table in record.table.groupby("model", sort=False):
            layer = view.layers[0] if view.layers else table["layer"].max()
            chosen = table[table["layer"] == layer]
            if chosen.empty:
                raise ProbeError(f"Layer {layer} was asked for, but {name} has none. Choose another.")
            panels.append((f"{words.text(name)}, layer {layer}", chosen))
    if not panels:
        raise ProbeError("No record was given, but a picture of beliefs needs one. Give a record of beliefs.")
    columns = view.columns or (1 if len(panels) == 1 else 2)
    across = ACROSS[columns]
    down = -(-(len(panels) + 1) // across)
    with style.page():
        figure = canvas(view.ax, columns, HIGH[columns] * down)
        grid = figure.subplots(down, across, squeeze=False)
        first = panels[0][1]
        _draw(grid.flat[0], "true beliefs", first, TRUE)
        for axes, (title, table) in zip(grid.flat[1:], panels, strict=False):
            _draw(axes, title, table, PREDICTED)
        for axes in grid.flat[len(panels) + 1 :]:
            axes.remove()
        prompts = first["prompt"].nunique() if "prompt" in first else len(first)
        line = f"{prompts:,} prompts at {len(first) // prompts} tokens each; colour: the true belief in every panel"
        words.head_line(figure, view.title, words.about(records, f"{line}; no bands", pd.Series(dtype="float64")))
    return whole(figure)


def _draw(axes: Axes, title: str, table: pd.DataFrame, names: Sequence[str]) -> None:
    """Draws a point a belief, on the triangle whose corners are the states."""
    axes.plot(*CORNERS[[0, 1, 2, 0]].T, color="black", linewidth=0.6, zorder=1)
    at = _numbers(table, names) @ CORNERS
    colours = _numbers(table, TRUE).clip(0, 1)
    axes.scatter(at[:, 0], at[:, 1], c=colours, s=2.0, linewidths=0, zorder=2, rasterized=True)
    for state, (x, y) in enumerate(CORNERS):
        below = y == 0
        axes.annotate(
            f"state {state}", (x, y), (0, -9 if below else 6), textcoords="offset points", fontsize=6.5, ha="center",
            va="top" if below else "bottom",
        )  # fmt: skip
    axes.set_xlim(-BEYOND, 1 + BEYOND)
    axes.set_ylim(-BEYOND, CORNERS[2, 1] + BEYOND)
    axes.set_aspect("equal")
    axes.set_axis_off()
    axes.set_title(title, fontsize=7.5)


def _numbers(table: pd.DataFrame, names: Sequence[str]) -> NDArray[Any]:
    return table[list(names)].to_numpy(dtype=np.float64)
