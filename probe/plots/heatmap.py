"""The heat map: error by layer and by number of examples in context."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from probe.errors import ProbeError
from probe.plots import style, words
from probe.plots.canvas import canvas, whole
from probe.plots.style import USUAL, Series, View
from probe.records import Record

COLOUR_MAP = "viridis"
ACROSS = 4
"""Panels in a row."""


def heat_map(records: Sequence[Record], view: View = USUAL) -> Figure:
    """Draws a panel a model, layers upwards and contexts to the right, on one logarithmic colour scale.

    Cells without an error stay grey. The view may set one head (the linear one by default) and target.
    """
    style.check_view(view, "a heat map", "ax", "heads", "target")
    if len(view.heads) > 1:
        raise ProbeError(f"{len(view.heads)} heads were given, but a heat map draws one. Draw one a picture.")
    grids: list[tuple[str, pd.DataFrame]] = []
    heads: dict[str, None] = {}
    targets = style.choose_targets(records, view.target)
    for target in targets:
        series = style.read_series(records, "fit", "a heat map", target)
        head = _head(series, view, alone=len(targets) == 1)
        if head is None:
            continue
        heads[head] = None
        of = f", {words.text(target)}, {style.name(head)}" if len(targets) > 1 else ""
        grids += [(f"{one.label}{of}", grid) for one in series if not (grid := _grid(one, head)).empty]
    if not grids:
        raise ProbeError("The record has no head at any layer to draw. Give a record of probe fit.")
    norm = scale([grid for _, grid in grids])
    across = min(len(grids), ACROSS)
    down = -(-len(grids) // across)
    columns = view.columns or (1 if across == 1 else 2)
    with style.page():
        figure = canvas(view.ax, columns, 0.4 + 2.3 * down)
        panels = figure.subplots(down, across, squeeze=False)
        mesh: QuadMesh | None = None
        for axes, (label, grid) in zip(panels.flat, grids, strict=False):
            mesh = draw_cells(axes, label, grid, norm, 8 if across <= 2 else 6)
            axes.set_xlabel(words.contexts(records).axis)
        for axes in panels[:, 0]:
            axes.set_ylabel("layer (0 = read-in)")
        figure.align_ylabels(panels[:, 0])
        for axes in panels.flat[len(grids) :]:
            axes.remove()
        assert mesh is not None, "choose_heads found the head in some model"
        bar = figure.colorbar(mesh, ax=list(panels.flat[: len(grids)]), pad=0.02, fraction=0.06)
        units = [words.unit(record, target) for record in records for target in targets]
        bar.set_label(f"{words.error_label(units)}, {' or '.join(map(style.name, heads))}")
        words.head_line(figure, view.title, words.about(records, "no bands"))
    return whole(figure)


def _head(series: Sequence[Series], view: View, alone: bool) -> str | None:
    """Returns the head of one target; of several targets, one may have none at any layer."""
    present = {str(name) for one in series for name in one.table.loc[one.table["layer"].notna(), "head"]}
    if not alone and (present <= {"model"} or (view.heads and not present & set(view.heads))):
        return None
    return style.choose_heads(series, view.heads, style.HEAD_LINES)[0]


def _grid(one: Series, head: str) -> pd.DataFrame:
    """Returns errors, layers down and contexts across; no layer between the first and last is left out."""
    rows = one.rows(head)
    grid = rows.pivot_table(index="layer", columns="context", values="error", aggfunc="mean")
    return grid.reindex(range(one.blocks + 1)) if len(grid) else grid


def scale(grids: Sequence[pd.DataFrame]) -> LogNorm:
    """Returns a scale from the smallest error to the largest, at least a decade wide."""
    values = np.concatenate([grid.to_numpy(dtype="float64", na_value=np.nan).ravel() for grid in grids])
    values = values[values > 0]
    if not values.size:
        raise ProbeError("The record has no positive error, as a logarithmic scale needs. Draw another head.")
    high = max(float(values.max()), 1.0)
    return LogNorm(min(float(values.min()), high / 10), high, clip=False)


def draw_cells(axes: Axes, label: str, grid: pd.DataFrame, norm: LogNorm, ticks: int) -> QuadMesh:
    """Draws a cell a column: contexts and steps may be spaced geometrically, and cells to scale would vanish.

    Args:
        grid: errors, layers down and contexts or steps across.
        ticks: so many columns are named at most.
    """
    # A zero has no logarithm; it belongs at the dark end, not among the missing cells.
    values = grid.to_numpy(dtype="float64", na_value=np.nan).clip(min=norm.vmin or 0.0)
    shown = np.ma.masked_invalid(values)
    axes.set_facecolor("#dddddd")
    mesh = axes.pcolormesh(shown, cmap=COLOUR_MAP, norm=norm, linewidth=0, rasterized=values.size > 4000)
    across = [int(n) for n in grid.columns]
    columns = _ticks(len(across), ticks)
    axes.set_xticks([i + 0.5 for i in columns], [str(across[i]) for i in columns])
    layers = _ticks(len(grid), 9)
    axes.set_yticks([i + 0.5 for i in layers], [str(i) for i in layers])
    axes.set_title(label, fontsize=7.5)
    axes.tick_params(length=2)
    return mesh


def _ticks(count: int, most: int) -> list[int]:
    """Returns evenly spaced places, the last always among them and no other crowding it."""
    step = next((step for step in (1, 2, 3, 4, 5, 10, 20, 25, 50, 100) if count / step <= most), count)
    places = [i for i in range(0, count, step) if count - 1 - i >= 0.6 * step]
    return [*places, count - 1]
