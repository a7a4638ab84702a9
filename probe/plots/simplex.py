"""The simplex of beliefs: where a head puts each prompt, coloured by where it truly is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
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
"""Where a belief that is sure of one of three states lies."""
MOST = 12
"""The most states that are told apart: those of colours."""
ACROSS = {1: 2, 2: 3}
"""Panels in a row, by the columns of a paper."""
HIGH = {1: 1.6, 2: 2.1}
"""Of a row in inches, by the columns of a paper."""
BEYOND = 0.14
"""How far outside the corners a panel reaches, of their distance."""
WIDER = 0.24
"""The same where corners lie behind one another, whose beliefs scatter further."""


def simplex_figure(records: Sequence[Record], view: View = USUAL) -> Figure:
    """Draws the true beliefs, and a panel a model of those that its head predicts, each in the colour of the true one.

    Red, green and blue are the probabilities of three states (Shai et al., 2024, arXiv:2405.15943, figure 1). The
    simplex of more lies in more dimensions than a page: it is seen along the two in which the true beliefs of the first
    model's prompts vary most, and a colour is the mixture of the states' colours. Of a record of several layers, the
    view may set one; the last is drawn unless it does.
    """
    style.check_view(view, "a simplex", "ax", "layers")
    panels: list[tuple[str, pd.DataFrame]] = []
    states = max([_states(record) for record in records], default=STATES)
    true, predicted = ([f"{kind}_{state}" for state in range(states)] for kind in ("true", "predicted"))
    for record in records:
        lacking = [name for name in ("model", "layer", *true, *predicted) if name not in record.table.columns]
        if lacking:
            raise ProbeError(
                f"A record without {', '.join(lacking)} was given, but a simplex shows true and predicted beliefs of "
                f"{states} states. Give a record of beliefs."
            )
        for name, table in record.table.groupby("model", sort=False):
            layer = view.layers[0] if view.layers else table["layer"].max()
            chosen = table[table["layer"] == layer]
            if chosen.empty:
                raise ProbeError(f"Layer {layer} was asked for, but {name} has none. Choose another.")
            panels.append((f"{words.text(name)}, layer {layer}", chosen))
    if not panels:
        raise ProbeError("No record was given, but a picture of beliefs needs one. Give a record of beliefs.")
    if states > MOST:
        raise ProbeError(f"Beliefs over {states} states were given, but {MOST} colours are told apart. Give fewer.")
    columns = view.columns or (1 if len(panels) == 1 else 2)
    across = ACROSS[columns]
    down = -(-(len(panels) + 1) // across)
    with style.page():
        figure = canvas(view.ax, columns, HIGH[columns] * down)
        grid = figure.subplots(down, across, squeeze=False)
        first = panels[0][1]
        scene = _scene(_numbers(first, true))
        _draw(grid.flat[0], "true beliefs", first, true, true, scene)
        for axes, (title, table) in zip(grid.flat[1:], panels, strict=False):
            _draw(axes, title, table, predicted, true, scene)
        for axes in grid.flat[len(panels) + 1 :]:
            axes.remove()
        prompts = first["prompt"].nunique() if "prompt" in first else len(first)
        line = f"{prompts:,} prompts at {len(first) // prompts} tokens each; colour: the true belief in every panel"
        line += f"{scene.said}; no bands"
        words.head_line(figure, view.title, words.about(records, line, pd.Series(dtype="float64")))
    return whole(figure)


@dataclass(frozen=True)
class _Scene:
    """How beliefs are seen: each state's place and colour, and what is said of it beneath the title.

    Attributes:
        edges: pairs of states whose corners are joined.
        sideways: of a corner's distance from the middle, the part to the side beyond which its name stands beside it.
    """

    corners: NDArray[Any]
    colours: NDArray[Any]
    edges: tuple[tuple[int, int], ...]
    sideways: float
    said: str


def _scene(beliefs: NDArray[Any]) -> _Scene:
    """Returns how beliefs are seen: three states as a triangle, more along the two directions of most variance."""
    states = beliefs.shape[1]
    edges = tuple(combinations(range(states), 2))
    if states == STATES:
        return _Scene(CORNERS, np.eye(STATES), edges, 1.0, "")
    centred = beliefs - beliefs.mean(0)
    _, sizes, directions = np.linalg.svd(centred, full_matrices=False)
    chosen = directions[:2]
    # a direction and its opposite are as good: the largest part of each points to the right, or up
    chosen = chosen * np.sign(chosen[np.arange(len(chosen)), np.abs(chosen).argmax(1)])[:, None]
    share = (sizes[:2] ** 2).sum() / (sizes**2).sum()
    palette = np.array([to_rgb(colour) for colour in (*style.COLOURS, *style.SECOND)][:states])
    said = f", mixed of the states'; seen along two directions, with {share:.0%} of the true beliefs' variance"
    return _Scene(chosen.T, palette, edges, 0.75, said)


def _states(record: Record) -> int:
    """Returns how many states the beliefs of a record are over, by the columns of the predicted ones."""
    return sum(str(name).startswith("predicted_") for name in record.table.columns) or STATES


def _draw(
    axes: Axes, title: str, table: pd.DataFrame, names: Sequence[str], true: Sequence[str], scene: _Scene
) -> None:
    """Draws a point a belief, between the corners of the states."""
    corners = scene.corners
    for pair in scene.edges:
        axes.plot(*corners[list(pair)].T, color="black", linewidth=0.6 if len(corners) == STATES else 0.3, zorder=1)
    at = _numbers(table, names) @ corners
    colours = (_numbers(table, true).clip(0, 1) @ scene.colours).clip(0, 1)
    axes.scatter(at[:, 0], at[:, 1], c=colours, s=2.0, linewidths=0, zorder=2, rasterized=True)
    low, high = corners.min(0), corners.max(0)
    for state, corner in enumerate(corners):
        shift, across, along = _label(corner - corners.mean(0), scene.sideways)
        axes.annotate(
            f"state {state}", tuple(corner), shift, textcoords="offset points", fontsize=6.5, ha=across, va=along,
            path_effects=[withStroke(linewidth=1.5, foreground="white")],
        )  # fmt: skip
    beyond = (BEYOND if len(corners) == STATES else WIDER) * (high - low).max()
    axes.set_xlim(low[0] - beyond, high[0] + beyond)
    axes.set_ylim(low[1] - beyond, high[1] + beyond)
    axes.set_aspect("equal")
    axes.set_axis_off()
    axes.set_title(title, fontsize=7.5)


def _label(outwards: NDArray[Any], sideways: float) -> tuple[tuple[float, float], str, str]:
    """Returns where a corner's name stands, in points from it, and how it is aligned: beside, below or above it."""
    x, y = outwards
    if abs(x) > sideways * np.hypot(x, y):
        return (6.0 if x > 0 else -6.0, 0.0), "left" if x > 0 else "right", "center"
    return (0.0, 6.0 if y > 0 else -9.0), "center", "bottom" if y > 0 else "top"


def _numbers(table: pd.DataFrame, names: Sequence[str]) -> NDArray[Any]:
    return table[list(names)].to_numpy(dtype=np.float64)
