"""How online learners and algorithms that take all examples at once follow w over time, and what their order does."""

from __future__ import annotations

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from probe.plots import style
from probe.plots.canvas import whole
from probe.plots.rows import Part, begin, draw_curve, equal, finish, numbers, of_one_claim, panel_key, rows_of
from probe.plots.style import Line

LEARNERS: dict[str, tuple[str, str, Line]] = {
    "lms": ("least mean squares (LMS)", style.SECOND[0], "-"),
    "normalised_lms": ("normalised LMS", style.SECOND[1], "-"),
    "delta_rule": ("delta rule that forgets", style.SECOND[2], "-"),
    "recursive_least_squares": ("recursive least squares", style.COLOURS[0], "-."),
    "averaging": ("averaging", style.GREY, "--"),
    "decaying_averaging": ("averaging that decays", style.GREY, ":"),
    "gradient_descent": ("gradient descent on all so far", style.COLOURS[1], "--"),
    "ridge": ("ridge regression", style.COLOURS[2], "--"),
}
"""Online learners solid, those that take all examples at once dashed."""
ORDERS = {
    "order over size": ("what another order of the examples changes", "variance over orders / mean square"),
    "recency": ("what late examples weigh more", "half the difference / mean weight"),
}
LIMITS = (-0.15, 1.05)


def draw_online(table: pd.DataFrame, title: str | None = None, part: Part = None) -> Figure:
    """Draws the rows of ``online`` of one model.

    Panels: the share of the steps of w from example to example that each learner explains, by layer, at the site where
    w is read best; the cosine there, over time; the variance of the answers over orders; and their recency.

    Args:
        table: rows of a record of evidence.
        title: a line above the picture.
        part: of a page, to draw into; by default a page of its own.
    """
    rows = rows_of(table, "online", "r2 of steps")
    with style.page():
        figure = begin(part, 2, 6.2, title)
        panels = figure.subplots(2, 2)
        panel_key(panels[0][0], _steps_panel(panels[0][0], rows), 2)
        _cosine_panel(panels[0][1], rows)
        for axes, metric in zip(panels[1], ORDERS, strict=True):
            panel_key(axes, _order_panel(axes, rows, metric), 2)
        last = max(numbers(rows, "layer"))
        for axes in (panels[0][0], *panels[1]):
            axes.set_xlim(-0.3, last + 0.3)
            style.whole_numbers(axes)
    return whole(figure)


def _steps_panel(axes: Axes, rows: pd.DataFrame) -> list[Artist]:
    """Draws the learners at the kind of site where heads for w err least; returns their legend."""
    errors = equal(rows, metric="error of w")
    site = str(errors.sort_values("value")["site"].iloc[0])
    found = equal(rows, metric="r2 of steps", site=site)
    for learner, (words, colour, line) in LEARNERS.items():
        draw_curve(axes, equal(found, head=learner), "layer", colour, line, marker="o", label=words)
    finish(axes, f"steps of w over time, {site}", style.X_LABELS["layer"], "share that is explained")
    axes.set_ylim(*LIMITS)
    return [style.key_line(*LEARNERS[learner]) for learner in LEARNERS if (found["head"] == learner).any()]


def _cosine_panel(axes: Axes, rows: pd.DataFrame) -> None:
    found = equal(rows, metric="cosine")
    for learner, (words, colour, line) in LEARNERS.items():
        draw_curve(axes, equal(found, head=learner), "context", colour, line, label=words)
    site, layers = str(found["site"].iloc[0]), numbers(found, "layer")
    finish(axes, f"w over time, {site}, layer {layers[0]}", "examples", "cosine")


def _order_panel(axes: Axes, rows: pd.DataFrame, metric: str) -> list[Artist]:
    """Draws what the order does to the answers read by layer, and to those of the model and of learners as lines."""
    found = equal(rows, metric=metric, site="order")
    draw_curve(axes, equal(found, head="read"), "layer", style.COLOURS[0], marker="o", label="read at the layer")
    entries: list[Artist] = [style.key_line("read at the layer", style.COLOURS[0], marker="o")]
    own: tuple[str, str, Line] = ("the model's own answer", "black", "-")
    for head, (said, colour, line) in ({"model": own} | LEARNERS).items():
        level = equal(found, head=head)["value"]
        if len(level) and head in ("model", "lms", "normalised_lms", "ridge"):
            axes.axhline(float(level.iloc[0]), color=colour, linestyle=line, linewidth=0.9, label=said)
            entries.append(style.key_line(said, colour, line))
    title, unit = ORDERS[metric]
    finish(axes, title, style.X_LABELS["layer"], unit)
    return entries


online_figure = of_one_claim(draw_online, "online", "a picture of learning over time")
"""Draws the picture of one record of a claim, as `draw_online` does of its table."""
