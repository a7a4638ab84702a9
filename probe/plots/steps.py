"""The map of a training: error by layer and by step, and the step at which each layer begins to answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure

from probe.errors import ProbeError
from probe.plots import style, words
from probe.plots.canvas import canvas, whole
from probe.plots.heatmap import draw_cells, scale
from probe.plots.style import USUAL, Series, View
from probe.records import Record

BEGUN = 0.5
"""A layer begins to answer at the first step that is kept at which a head errs half as much as zero does, or less."""
STEP = re.compile(r"-step-\d{6,12}(?= |,|$)")
"""What the name of a kept step has behind that of its training."""


@dataclass(frozen=True, eq=False)
class Training:
    """The kept steps of one training.

    Args:
        label: its name.
        grid: a head's errors, layers down and steps across.
    """

    label: str
    grid: pd.DataFrame

    def begun(self) -> pd.Series[int]:
        """Returns the place, among the steps, at which each layer begins to answer, of the layers that ever do."""
        low = self.grid.le(BEGUN)
        places = {layer: row.to_numpy().argmax() for layer, row in low.iterrows() if row.any()}
        return pd.Series(places, dtype="int64")


def step_map(records: Sequence[Record], view: View = USUAL) -> Figure:
    """Draws a panel a training, layers upwards and kept steps to the right, on one logarithmic colour scale.

    Dots mark the first step at which each layer errs at most 0.5. The view may set one head (the linear one by
    default), the number of examples and the target.
    """
    style.check_view(view, "a map of steps", "ax", "heads", "context", "target")
    if len(view.heads) > 1:
        raise ProbeError(f"{len(view.heads)} heads were given, but a map of steps draws one. Draw one a picture.")
    series = style.read_series(records, "fit", "a map of steps", view.target)
    head = style.choose_heads(series, view.heads, style.HEAD_LINES)[0]
    context = style.choose_context(series, [head], view.context)
    trainings = read_trainings(series, head, context)
    norm = scale([one.grid for one in trainings])
    across = min(len(trainings), 2)
    down = -(-len(trainings) // across)
    with style.page():
        figure = canvas(view.ax, view.columns or across, 0.4 + 2.3 * down)
        panels = figure.subplots(down, across, squeeze=False)
        mesh: QuadMesh | None = None
        for axes, one in zip(panels.flat, trainings, strict=False):
            mesh = draw_cells(axes, one.label, one.grid, norm, 8)
            axes.set_xlabel("training step (a cell for each that was kept)")
            _mark(axes, one)
        for axes in panels[:, 0]:
            axes.set_ylabel("layer (0 = read-in)")
        figure.align_ylabels(panels[:, 0])
        for axes in panels.flat[len(trainings) :]:
            axes.remove()
        assert mesh is not None, "there is a training at least"
        bar = figure.colorbar(mesh, ax=list(panels.flat[: len(trainings)]), pad=0.02, fraction=0.06)
        target = view.target or str(series[0].table["target"].dropna().iloc[0])
        bar.set_label(words.error_label([words.unit(record, target) for record in records]))
        shown = f"{style.name(head)}, {words.contexts(records).at(context)}, no bands"
        words.head_line(figure, view.title, words.about(records, shown))
        begun = style.key_line(f"first kept step with an error of at most {BEGUN:g}", "black", "", "o")
        begun.set_markerfacecolor("white")
        style.add_legend(figure, [begun], beside=False)
    return whole(figure)


def read_trainings(series: Sequence[Series], head: str, context: int) -> list[Training]:
    """Returns the trainings that models are kept steps of, each with a head's error at a number of examples.

    Raises:
        ProbeError: if no training has two steps with an error.
    """
    columns: dict[str, dict[int, pd.Series[float]]] = {}
    for one in series:
        step, rows = one.about.get("step"), one.rows(head, context)
        if step is not None and len(rows):
            errors = rows.set_index("layer")["error"].reindex(range(one.blocks + 1))
            columns.setdefault(STEP.sub("", one.label), {})[int(step)] = errors
    grids = {label: pd.DataFrame(dict(sorted(found.items()))) for label, found in columns.items() if len(found) > 1}
    if not grids:
        raise ProbeError(
            "No two models of the record are steps of one training, but a map of steps needs them. Keep some by probe "
            "train --keep, and fit their folder, NAME-steps."
        )
    return [Training(label, grid) for label, grid in grids.items()]


def _mark(axes: Axes, one: Training) -> None:
    """Sets a dot into the cell at which each layer begins to answer."""
    begun = one.begun()
    axes.plot(begun + 0.5, begun.index + 0.5, "o", color="black", markerfacecolor="white", markersize=3.5)
