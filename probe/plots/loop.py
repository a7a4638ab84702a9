"""What later blocks do with an answer that is exchanged or moved, and how much of the final answer is fixed there."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from probe.plots import style
from probe.plots.canvas import whole
from probe.plots.exchanged import SITES, kept_panel, share_panel
from probe.plots.rows import (
    Part,
    begin,
    draw_curve,
    equal,
    finish,
    layer_colour,
    numbers,
    of_one_claim,
    panel_key,
    rows_of,
)
from probe.plots.style import Line

Panels = Sequence[Axes]

MOVED: dict[str, tuple[str, str, Line]] = {
    "query, y by pattern": ("y moved, as it varies", style.SECOND[0], "-"),
    "query, y by head": ("y moved, shortest vector", style.SECOND[0], ":"),
    "query, w by pattern": ("w moved, as it varies", style.SECOND[1], "-"),
    "query, w by head": ("w moved, shortest vector", style.SECOND[1], ":"),
}
READ = {"y": "linear", "w": "linear, w"}
READ_COLOUR = style.SECOND[4]
"""Of what heads read of y."""
LIMITS = (-0.35, 1.65)
"""Of what is kept: where heads hardly read the vector any longer, the ratio is anything."""


def draw_loop(table: pd.DataFrame, title: str | None = None, part: Part = None) -> Figure:
    """Draws the rows of ``loop`` of one model.

    Panels: what is left of an answer that was exchanged for another prompt's, and how far the model's own answer
    followed; what is kept of a moved answer, and of moved weights where heads read them, at every later layer; the
    model's own answer; and the share of it that is fixed at the query, beside what heads read there. What a record
    does not hold is left out.

    Args:
        table: rows of a record of evidence.
        title: a line above the picture.
        part: of a page, to draw into; by default a page of its own.
    """
    rows = rows_of(table, "loop", "share")
    kept = {name: found for name in READ if len(found := _kept(rows, name))}
    pairs = [_exchanged] if (rows["site"].isin(list(SITES))).any() else []
    pairs += [partial(_moved, kept=kept)] if kept else []
    pairs += [_fixed] if len(equal(rows, metric="share", site="query")) else []
    with style.page():
        figure = begin(part, 2, 3.0 * len(pairs), title)
        for drawn, panels in zip(pairs, figure.subplots(len(pairs), 2, squeeze=False), strict=True):
            drawn(panels, rows)
            _share_layers([axes for axes in panels if axes in figure.axes])
    return whole(figure)


def draw_moved(table: pd.DataFrame, title: str | None = None, part: Part = None) -> Figure:
    """Draws the same without the exchanged answers.

    Raises:
        ProbeError: if the record holds nothing else.
    """
    return draw_loop(table[~table["site"].isin(list(SITES))], title, part)


def _share_layers(panels: Panels) -> None:
    """Gives panels beside one another one range of layers."""
    ends = [axes.get_xlim() for axes in panels]
    for axes in panels:
        axes.set_xlim(min(low for low, _ in ends), max(high for _, high in ends))


def _exchanged(panels: Panels, rows: pd.DataFrame) -> None:
    panel_key(panels[0], kept_panel(panels[0], rows), 2)
    panel_key(panels[1], share_panel(panels[1], rows), 2)


def _moved(panels: Panels, rows: pd.DataFrame, kept: dict[str, pd.DataFrame]) -> None:
    every = sorted({layer for found in kept.values() for layer in numbers(found, "layer")})
    for axes, (name, found) in zip(panels, kept.items(), strict=False):
        panel_key(axes, _kept_panel(axes, found, name, every))
    for axes in panels[len(kept) :]:
        axes.remove()


def _fixed(panels: Panels, rows: pd.DataFrame) -> None:
    panel_key(panels[0], _answer_panel(panels[0], rows), 2)
    panel_key(panels[1], _fixed_panel(panels[1], rows), 1)


def _kept(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    return equal(rows, metric="kept", site=f"query, {name} by pattern", head=READ[name])


def _kept_panel(axes: Axes, rows: pd.DataFrame, name: str, every: list[int]) -> list[Artist]:
    """Draws a line a layer where the quantity was moved, along the layers after; returns its legend.

    Args:
        every: the layers of all panels, among which a layer keeps its colour.
    """
    layers = numbers(rows, "layer")
    for layer in layers:
        chosen = equal(rows, layer=layer)
        draw_curve(axes, chosen, "other_layer", layer_colour(layer, every), marker="o", label=f"layer {layer}")
    axes.axhline(1.0, color="black", linewidth=0.7, zorder=1)
    finish(axes, f"{name} moved at the query, and read later", style.X_LABELS["layer"], "over the same, carried along")
    axes.set_ylim(*LIMITS)
    entries: list[Artist] = [
        style.key_line(f"at layer {layer}", layer_colour(layer, every), marker="o") for layer in layers
    ]
    return [*entries, style.key_line("no block responds", "black"), style.key_band()]


def _answer_panel(axes: Axes, rows: pd.DataFrame) -> list[Artist]:
    """Draws what of every shift reaches the model's own answer, by the layer where it was imposed."""
    found = equal(rows, metric="carry", head="model")
    there = [site for site in MOVED if (found["site"] == site).any()]
    for site in there:
        words, colour, line = MOVED[site]
        draw_curve(axes, equal(found, site=site), "layer", colour, line, marker="o", label=words)
    for level in (0.0, 1.0):
        axes.axhline(level, color="black", linewidth=0.7, zorder=1)
    label = "share of the imposed shift"
    finish(axes, "the model's own answer", f"{style.X_LABELS['layer']}, where it is moved", label)
    return [style.key_line(*MOVED[site], "o") for site in there]


def _fixed_panel(axes: Axes, rows: pd.DataFrame) -> list[Artist]:
    """Draws the share of the answer that goes with the stream at the query, beside what heads read there."""
    _, colour, line, marker = SITES["exchanged at query"]
    draw_curve(axes, equal(rows, metric="share", site="query"), "layer", colour, line, marker, "share")
    draw_curve(axes, equal(rows, metric="read", site="query"), "layer", READ_COLOUR, "-", "*", "read")
    axes.axhline(1.0, color="black", linewidth=0.7, zorder=1)
    finish(axes, "what is fixed at the query", style.X_LABELS["layer"], "share")
    axes.set_ylim(-0.12, 1.12)
    return [
        style.key_line("of the final answer, that goes with the stream at the query", colour, line, marker),
        style.key_line("of y, that the head reads", READ_COLOUR, "-", "*"),
    ]


loop_figure = of_one_claim(draw_loop, "loop", "a picture of the loop")
"""Draws the picture of one record of a claim, as `draw_loop` does of its table."""
