"""What a block's map leaves of its neighbour's step, where each is run in the other's place."""

from __future__ import annotations

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from probe.plots import style
from probe.plots.canvas import whole
from probe.plots.rows import Part, begin, draw_curve, equal, finish, of_one_claim, panel_key, rows_of
from probe.plots.style import Line

SIDES: dict[str, tuple[str, str, Line]] = {
    "later": ("the later block, earlier", style.SECOND[0], "-"),
    "earlier": ("the earlier block once more", style.SECOND[1], "--"),
}
LIMIT = 0.25
"""What the criterion lets a map leave."""


def draw_one_map(table: pd.DataFrame, title: str | None = None, part: Part = None) -> Figure:
    """Draws the rows of ``map`` of one model: what is left of every step that tells, and how large the steps are.

    Args:
        table: rows of a record of evidence.
        title: a line above the picture.
        part: of a page, to draw into; by default a page of its own.
    """
    rows = rows_of(table, "map", "step")
    with style.page():
        figure = begin(part, 2, 3.1, title)
        left, step = figure.subplots(1, 2)
        panel_key(left, _left_panel(left, rows), 1)
        draw_curve(step, equal(rows, metric="step").drop_duplicates("layer"), "layer", style.COLOURS[0], marker="o")
        finish(step, "the step itself", style.X_LABELS["layer"], "mean square over that of y")
        step.set_yscale("log")
    return whole(figure)


def _left_panel(axes: Axes, rows: pd.DataFrame) -> list[Artist]:
    """Draws what either block leaves of the other's step, and what would be left if blocks read nothing."""
    entries: list[Artist] = []
    for side, (words, colour, line) in SIDES.items():
        mine = rows[(rows["other_layer"] > rows["layer"]).fillna(False) == (side == "later")]
        found = equal(mine, metric="left")
        if not len(found):
            continue
        draw_curve(axes, found, "layer", colour, line, marker="o", label=words)
        draw_curve(axes, equal(mine, metric="null"), "layer", style.GREY, line, label=f"{words}, null")
        entries.append(style.key_line(words, colour, line, "o"))
    axes.axhline(LIMIT, color="black", linewidth=0.7, linestyle=":", zorder=1)
    period = rows["step"].dropna()
    far = "" if not len(period) or period.iloc[0] == 1 else f", {int(period.iloc[0])} blocks apart"
    finish(axes, f"left of a step by another block's map{far}", style.X_LABELS["layer"], "share of the step")
    # linear up to where everything is left, by powers of ten beyond: blocks in a wrong place may do any harm
    top = max(2.0, axes.get_ylim()[1])
    axes.set_yscale("symlog", linthresh=1.0, linscale=2.0)
    ticks = [0.0, LIMIT, 0.5, 1.0, *(10.0**power for power in range(1, 7) if 10.0**power <= top)]
    axes.set_yticks(ticks, [f"{one:g}" for one in ticks])
    axes.set_ylim(-0.05, top)
    return [*entries, style.key_line("if blocks wrote the same whatever they read", style.GREY)]


one_map_figure = of_one_claim(draw_one_map, "map", "a picture of the maps")
"""Draws the picture of one record of a claim, as `draw_one_map` does of its table."""
