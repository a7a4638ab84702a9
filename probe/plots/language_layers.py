"""What probe fit measured on language tasks: the lens's answer, the task a head reads, task vectors, by layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from probe.errors import ProbeError
from probe.plots import style
from probe.plots.canvas import canvas, whole
from probe.plots.style import USUAL, Line, View
from probe.plots.words import POINTWISE, about, head_line, pairs, text
from probe.records import Record, with_dtypes

PANELS = (
    ("lens", "accuracy", "lens: the answer is\nthe likeliest token"),
    ("lens", "probability", "lens: mean probability\nof the answer"),
    ("lens", "rank", "lens: rank of the answer\n(geometric mean)"),
    ("task_vector", "accuracy", "accuracy with a task vector\nand no demonstration"),
    ("linear", "accuracy", "linear head: the task\nis told"),
    ("normed", "accuracy", "linear head after the norm:\nthe task is told"),
)
REFERENCES: dict[str, tuple[str, Line]] = {
    "demonstrations": ("with demonstrations instead", (0, (4, 1.5))),
    "zero_shot": ("without either", (0, (1, 1))),
    "chance": ("chance", (0, (1, 1))),
}
ACROSS = 3


@dataclass(frozen=True, eq=False)
class Curve:
    """A task of a model, or the tasks' identity, with the look it keeps."""

    label: str
    colour: str
    line: Line
    marker: str
    table: pd.DataFrame
    blocks: int


def language_curves(records: Sequence[Record], view: View = USUAL) -> Figure:
    """Draws a panel for every head and metric against the layer, a curve for every model and task.

    Bands are pointwise 95 %, by prompt. Thin curves are of fewer demonstrations. The view may set x and context.
    """
    style.check_view(view, "a picture of language tasks by layer", "ax", "x", "context")
    table = _read(records)
    curves = _curves(records, table)
    contexts = _contexts(table, view.context)
    panels = [panel for panel in PANELS if len(_rows(table, *panel[:2]))]
    x = view.x or ("layer" if len({one.blocks for one in curves}) == 1 else "depth")
    if x not in ("layer", "depth"):
        raise ProbeError(f"The axis {x} was asked for, but language tasks are drawn by layer or depth. Ask for one.")
    across = 2 if len(panels) == 4 else min(ACROSS, len(panels))
    down = -(-len(panels) // across)
    with style.page():
        figure = canvas(view.ax, 1 if across == 1 else 2, 2.2 * down + 0.2)
        grid = figure.subplots(down, across, squeeze=False)
        for place, axes in enumerate(grid.flat):
            if place >= len(panels):
                axes.set_axis_off()
                continue
            _draw_panel(axes, panels[place], curves, contexts, x)
            if place + across >= len(panels):
                axes.set_xlabel(style.X_LABELS[x])
        head_line(figure, view.title, about(records, POINTWISE))
        style.add_legend(figure, _key(curves, contexts, table))
    return whole(figure)


def _read(records: Sequence[Record]) -> pd.DataFrame:
    if not records:
        raise ProbeError("No record was given, but a picture of language tasks needs one. Give that of fit.")
    tables = []
    for place, record in enumerate(records):
        columns = {"task", "metric", "value", "layer", "head"}
        if not columns <= set(record.table.columns) or not any(len(_rows(record.table, *one[:2])) for one in PANELS):
            kind = record.provenance.get("kind", "another kind")
            raise ProbeError(
                f"A record of {kind} was given, but a picture of language tasks by layer needs one of fit on such "
                "tasks. Give its .csv."
            )
        tables.append(with_dtypes(record.table).assign(record=place))
    return pd.concat(tables, ignore_index=True)


def _curves(records: Sequence[Record], table: pd.DataFrame) -> list[Curve]:
    """Tells tasks apart by colour where there is one model, and else models by colour and tasks by line."""
    models, tasks = list(dict.fromkeys(table["model"])), list(dict.fromkeys(table["task"]))
    found = []
    for (model, task), rows in table.groupby(["model", "task"], sort=False):
        known = next((record.provenance.get("models") or {}).get(model) or {} for record in records)
        number = tasks.index(task) if len(models) == 1 else models.index(model)
        label = pairs(task) if len(models) == 1 else model if len(tasks) == 1 else f"{model}, {pairs(task)}"
        found.append(
            Curve(
                label=text(label),
                colour=style.COLOURS[number % len(style.COLOURS)],
                line="-" if len(models) == 1 else ("-", "--", "-.", ":")[tasks.index(task) % 4],
                marker=style.MARKERS[number % len(style.MARKERS)],
                table=rows,
                blocks=int(known.get("blocks") or rows["layer"].max()),
            )
        )
    return found


def _contexts(table: pd.DataFrame, asked: int | None) -> list[int]:
    known = sorted({int(number) for number in table["context"].dropna()}, reverse=True)
    if asked is not None and asked not in known:
        raise ProbeError(f"No row has {asked} demonstrations. There are: {', '.join(map(str, known))}.")
    return known if asked is None else [asked]


def _rows(table: pd.DataFrame, head: str, metric: str, context: int | None = None) -> pd.DataFrame:
    chosen = (table["head"] == head) & (table["metric"] == metric)
    rows: pd.DataFrame = table[chosen if context is None else chosen & table["context"].eq(context).fillna(False)]
    return rows.sort_values("layer")


def _draw_panel(
    axes: Axes, panel: tuple[str, str, str], curves: Sequence[Curve], contexts: Sequence[int], x: str
) -> None:
    head, metric, title = panel
    for one in curves:
        for depth, context in enumerate(contexts):
            rows = _rows(one.table, head, metric, context)
            if rows.empty:
                continue
            at = rows["layer"].to_numpy(dtype=np.float64) / (one.blocks if x == "depth" else 1)
            if depth == 0:
                style.draw_band(axes, at, rows["value_low"], rows["value_high"], one.colour)
            axes.plot(
                at,
                rows["value"],
                color=one.colour,
                linestyle=one.line,
                linewidth=1.5 if depth == 0 else 0.7,
                marker=one.marker if len(rows) <= 40 and depth == 0 else "",
                markersize=2.5,
                label=f"{one.label} {context}",
            )
            _draw_references(axes, one, head, context)
    axes.set_title(title, loc="left", fontsize=7.5)
    axes.margins(x=0.02)
    axes.grid(True, axis="y")
    if x == "layer":
        style.whole_numbers(axes)
    if metric == "rank":
        _rank_axis(axes)
    else:
        axes.set_ylim(-0.02, 1.02)


def _draw_references(axes: Axes, one: Curve, head: str, context: int) -> None:
    names = ("demonstrations", "zero_shot") if head == "task_vector" else ("chance",)
    if head == "lens":
        return
    for name in names:
        for value in _rows(one.table, name, "accuracy", context)["value"]:
            axes.axhline(float(value), color=one.colour, linestyle=REFERENCES[name][1], linewidth=0.9)


def _rank_axis(axes: Axes) -> None:
    """Sets a logarithmic axis on which the likeliest token lies at the top."""
    axes.set_yscale("log")
    axes.invert_yaxis()
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0,), numticks=8))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _key(curves: Sequence[Curve], contexts: Sequence[int], table: pd.DataFrame) -> list[Artist]:
    handles: list[Artist] = [style.key_line(one.label, one.colour, one.line, one.marker) for one in curves]
    if len(contexts) > 1:
        most = style.count(contexts[0], "demonstration")
        thin = style.key_line(f"thin: {', '.join(map(str, contexts[1:]))}, else {most}")
        thin.set_linewidth(0.7)
        handles.append(thin)
    present = set(table["head"])
    handles += [style.key_line(words, line=line) for name, (words, line) in REFERENCES.items() if name in present]
    return [*handles, style.key_band()]
