"""What inner states know: the cosine of w with heads against the number of examples, and by site and layer."""

from __future__ import annotations

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from probe.plots import style, words
from probe.plots.canvas import whole
from probe.plots.rows import (
    UNTRAINED,
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

COSINE = "cosine with w"
REFERENCES: dict[str, tuple[str, Line]] = {
    "least_squares": ("least squares", "--"),
    "gradient": ("X'y", ":"),
    "online_gd": ("online gradient descent", "-."),
}
SITES = ("state", "stream", "convolution", "gate", "delta", "B", "C")
TARGETS = {"w": "w", "gradient": "X'y / n", "least_squares": "least squares", "gd_4": "4 steps of gradient descent",
           "online_gd": "online gradient descent", "projection": "online projections"}  # fmt: skip
SEVENTH = "#C2185B"
"""Of a site, since black is what algorithms reach."""
MOST = 9
"""Layers drawn in one panel."""


def draw_states(table: pd.DataFrame, title: str | None = None, part: Part = None) -> Figure:
    """Draws the rows of ``states`` of one model: four panels, or three where no block has a state.

    Args:
        table: rows of a record of evidence.
        title: a line above the picture.
        part: of a page, to draw into; by default a page of its own.
    """
    rows = rows_of(table, "states", COSINE)
    site = "state" if (rows["site"] == "state at y").any() else "stream"
    with style.page():
        figure = begin(part, 2, 6.2, title)
        panels = figure.subplots(2, 2)
        layers = _cosine_panel(panels[0, 0], rows, f"{site} at y")
        other = "stream at x" if site == "stream" else "stream at y"
        if site == "stream":
            panels[0, 1].remove()
        else:
            layers = sorted({*layers, *_cosine_panel(panels[0, 1], rows, other)})
        sites = _site_panel(panels[1, 0], rows)
        targets = _target_panel(panels[1, 1], rows, f"{site} at y")
        for axes, entries in zip(panels.flat, _keys(rows, layers, sites, targets), strict=True):
            if axes.figure is not None:
                panel_key(axes, entries, 2 if axes is panels[1, 1] else 3)
    return whole(figure)


def _cosine_panel(axes: Axes, rows: pd.DataFrame, site: str) -> list[int]:
    """Draws a line a layer along the number of examples, and what algorithms reach; returns the layers."""
    found = equal(rows, metric=COSINE, site=site)
    # colours are those of all layers, so that panels agree
    every, here = numbers(equal(rows, metric=COSINE), "layer"), numbers(found, "layer")
    layers = here[:: -(-len(here) // MOST)] if here else []
    for name, (_, line) in REFERENCES.items():
        draw_curve(axes, equal(rows, metric=COSINE, head=name), "context", "black", line, label=name)
    for layer in layers:
        chosen = equal(found, layer=layer)
        colour = layer_colour(layer, every)
        draw_curve(axes, equal(chosen, head="linear"), "context", colour, marker="o", label=f"layer {layer}")
    last = equal(found, layer=here[-1]) if here else found
    for head, line in ((UNTRAINED, "-"), ("linear, shuffled", ":")):
        draw_curve(axes, equal(last, head=head), "context", style.GREY, line, label=head)
    finish(axes, f"w read from the {site}", "examples", "mean cosine of w and the head")
    axes.set_ylim(-0.12, 1.03)
    return layers


def _site_panel(axes: Axes, rows: pd.DataFrame) -> list[str]:
    """Draws a line a site along the layers after the most examples; returns the sites."""
    found = equal(rows, metric=COSINE)
    found = equal(found, context=numbers(found, "context")[-1])
    drawn = [name for name in SITES if (found["site"] == f"{name} at y").any()]
    for i, name in enumerate(drawn):
        chosen = equal(found, site=f"{name} at y")
        draw_curve(axes, equal(chosen, head="linear"), "layer", _colour(i), marker=_marker(i), label=name)
        draw_curve(axes, equal(chosen, head=UNTRAINED), "layer", _colour(i), (0, (1.0, 1.5)), label=f"{name} untrained")
    examples = numbers(found, "context")[-1]
    finish(axes, f"w by site, after {examples} examples", style.X_LABELS["layer"], "mean cosine of w and the head")
    axes.set_ylim(-0.12, 1.03)
    return drawn


def _target_panel(axes: Axes, rows: pd.DataFrame, site: str) -> list[str]:
    """Draws the error of heads for w and for algorithms' weights along the layers; returns the targets."""
    drawn = [name for name in TARGETS if (rows["metric"] == f"error of {name}").any()]
    top = 1.0
    bottom = 1.0
    for i, name in enumerate(drawn):
        chosen = equal(rows, metric=f"error of {name}", site=site, head="linear")
        draw_curve(axes, chosen, "layer", _second(i), marker=_marker(i), label=name)
        if name == "w":
            axes.lines[-1].set_linewidth(3.0)  # least squares is w without noise, and lies on it
        positive = chosen["value"][chosen["value"] > 0]
        top, bottom = max(top, float(positive.max())), min(bottom, float(positive.min()))
    axes.axhline(1.0, color="black", linewidth=0.7, zorder=1)
    finish(axes, f"what the {site} holds", style.X_LABELS["layer"], style.ERROR_LABEL)
    style.log_errors(axes, bottom / 1.7, top * 1.7)
    return drawn


def _keys(rows: pd.DataFrame, layers: list[int], sites: list[str], targets: list[str]) -> list[list[Artist]]:
    """Returns every panel's own legend."""
    every = numbers(equal(rows, metric=COSINE), "layer")
    untrained = UNTRAINED in set(rows["head"].dropna())
    cosines: list[Artist] = [
        style.key_line(f"layer {layer}", layer_colour(layer, every), marker="o") for layer in layers
    ]
    cosines += [style.key_line(said, "black", line) for said, line in REFERENCES.values()]
    cosines += [style.key_line("untrained, last layer")] if untrained else []
    cosines += [style.key_line("another prompt's w", line=":"), style.key_band()]
    by_site: list[Artist] = [style.key_line(name, _colour(i), marker=_marker(i)) for i, name in enumerate(sites)]
    by_site += [style.key_line("the same, untrained", line=(0, (1.0, 1.5)))] if untrained else []
    held: list[Artist] = [
        style.key_line(TARGETS[name], _second(i), marker=_marker(i)) for i, name in enumerate(targets)
    ]
    return [cosines, cosines, by_site, [*held, style.key_line("predicting zero", "black")]]


def _second(i: int) -> str:
    return style.SECOND[i % len(style.SECOND)]


def _colour(i: int) -> str:
    return [*style.COLOURS, SEVENTH][i % 7]


def _marker(i: int) -> str:
    return [*style.MARKERS, "X"][i % 7]


LETTERS = f"{words.LETTERS}; delta, B, C: a Mamba's step size and the maps into and out of its state"

states_figure = of_one_claim(draw_states, "states", "a picture of states", LETTERS)
"""Draws the picture of one record of a claim, as `draw_states` does of its table."""
