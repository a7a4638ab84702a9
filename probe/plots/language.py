"""What probe evaluate measured on language tasks: accuracy by number of demonstrations, and task by task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from probe.errors import ProbeError
from probe.plots import style, words
from probe.plots.canvas import canvas, whole
from probe.plots.style import USUAL, Line, View
from probe.records import Record, with_dtypes

MEAN = "mean"
PUBLISHED_AT = 5
"""The demonstrations of the published table."""
ROW = 0.155
"""Inches a task takes."""


@dataclass(frozen=True, eq=False)
class Reader:
    """One model of one record, with the look it keeps."""

    label: str
    colour: str
    marker: str
    table: pd.DataFrame
    published: dict[str, Any]

    def of(self, task: str) -> pd.DataFrame:
        """Returns a task's accuracies by number of demonstrations."""
        rows: pd.DataFrame = self.table[self.table["task"] == task].sort_values("context")
        return rows


def language_accuracy(records: Sequence[Record], view: View = USUAL) -> Figure:
    """Draws accuracy against the number of demonstrations, and each task's at the largest number and at none.

    Bands and bars are 95 %, by prompt. Grey ticks are the models of Grazzi et al. (2024), Table 1, on their own words,
    where five demonstrations were given here too. The view may set the context that tasks are drawn at.
    """
    style.check_view(view, "a picture of language tasks", "ax", "context")
    readers = _readers(records)
    tasks = [name for name in dict.fromkeys(name for one in readers for name in one.table["task"]) if name != MEAN]
    context = _context(readers, view.context)
    with style.page():
        figure = canvas(view.ax, 2, max(2.4, ROW * len(tasks) + 0.7))
        left, right = figure.subplots(1, 2, width_ratios=(1.0, 1.25))
        lines = _draw_demonstrations(left, readers, tasks)
        shown = _draw_tasks(right, readers, tasks, context)
        words.head_line(figure, view.title, words.about(records, words.POINTWISE))
        style.add_legend(figure, _key(readers, tasks, lines, context, shown))
    return whole(figure)


def _readers(records: Sequence[Record]) -> list[Reader]:
    if not records:
        raise ProbeError("No record was given, but a picture of language tasks needs one. Give that of evaluate.")
    found: list[Reader] = []
    for record in records:
        if not {"task", "metric", "value", "layer"} <= set(record.table.columns) or record.table[
            "layer"
        ].nunique() > len(record.table["model"].unique()):
            kind = record.provenance.get("kind", "another kind")
            raise ProbeError(
                f"A record of {kind} was given, but a picture of language tasks needs one of evaluate on such tasks. "
                "Give its .csv."
            )
        table = with_dtypes(record.table)
        for model, rows in table[table["metric"] == "accuracy"].groupby("model", sort=False):
            place = len(found)
            same = sum(one.label == model or one.label.startswith(f"{model} [") for one in found)
            found.append(
                Reader(
                    label=words.text(f"{model} [{same + 1}]" if same else model),
                    colour=style.COLOURS[place % len(style.COLOURS)],
                    marker=style.MARKERS[place % len(style.MARKERS)],
                    table=rows,
                    published=record.provenance.get("published") or {},
                )
            )
    return found


def _context(readers: Sequence[Reader], asked: int | None) -> int:
    shared = sorted(set.intersection(*[{int(number) for number in one.table["context"]} for one in readers]))
    if not shared or (asked is not None and asked not in shared):
        known = ", ".join(map(str, shared)) or "none"
        raise ProbeError(f"Not every model has rows at the demonstrations asked for. They share: {known}.")
    return shared[-1] if asked is None else asked


def _draw_demonstrations(axes: Axes, readers: Sequence[Reader], tasks: Sequence[str]) -> list[str]:
    """Draws the mean over tasks, or the tasks themselves where there is none; returns what was drawn."""
    means = all((one.table["task"] == MEAN).any() for one in readers)
    drawn = [MEAN] if means else list(tasks)
    for one in readers:
        for place, task in enumerate(drawn):
            rows = one.of(task)
            x = rows["context"].to_numpy(dtype=np.float64)
            style.draw_band(axes, x, rows["value_low"], rows["value_high"], one.colour)
            axes.plot(x, rows["value"], color=one.colour, marker=one.marker, linestyle=_line(place), label=one.label)
    axes.set_xlabel("demonstrations in the prompt")
    many = max(int(one.table[one.table["task"] == MEAN]["tasks"].max()) for one in readers) if means else 1
    axes.set_ylabel(f"accuracy, mean of {style.count(many, 'task')}" if means else "accuracy")
    axes.set_ylim(0, 1)
    axes.grid(True, axis="y")
    contexts = sorted({int(number) for one in readers for number in one.table["context"]})
    if contexts[-1] > 16:
        axes.set_xscale("symlog", base=2, linthresh=1)
        axes.set_xticks(contexts, [str(number) for number in contexts])
        axes.minorticks_off()
    else:
        style.whole_numbers(axes)
    return drawn


def _draw_tasks(axes: Axes, readers: Sequence[Reader], tasks: Sequence[str], context: int) -> bool:
    """Draws a line for every task, the first at the top; returns whether published accuracies are among it."""
    shown = False
    height = 0.5 / max(len(readers) - 1, 1) if len(readers) > 1 else 0.0
    for place, task in enumerate(tasks):
        published = readers[0].published.get(task) if context == PUBLISHED_AT else None
        if published:
            shown = True
            accuracies = [pair[0] for pair in published.values()]
            axes.plot(accuracies, [place] * len(accuracies), "|", color="#8c8c8c", markersize=7, markeredgewidth=0.7)
        for number, one in enumerate(readers):
            y = place + height * (number - (len(readers) - 1) / 2)
            _draw_task(axes, one, task, context, y)
    axes.set_yticks(range(len(tasks)), [words.pairs(task) for task in tasks])
    axes.set_ylim(len(tasks) - 0.5, -0.5)
    axes.set_xlim(-0.02, 1.02)
    axes.tick_params(axis="y", length=0)
    axes.grid(True, axis="x")
    axes.set_xlabel(f"accuracy with {style.count(context, 'demonstration')}")
    return shown


def _draw_task(axes: Axes, one: Reader, task: str, context: int, y: float) -> None:
    rows = one.of(task).set_index("context")
    if context in rows.index:
        row = rows.loc[context]
        axes.plot([row["value_low"], row["value_high"]], [y, y], color=one.colour, linewidth=1.0, zorder=3)
        axes.plot([row["value"]], [y], one.marker, color=one.colour, zorder=4, label=f"{one.label} {task}")
    if context and 0 in rows.index:
        axes.plot([rows.loc[0]["value"]], [y], one.marker, color=one.colour, markerfacecolor="white", zorder=3.5)


def _line(place: int) -> Line:
    return ("-", "--", "-.", ":")[place % 4]


def _key(
    readers: Sequence[Reader], tasks: Sequence[str], lines: Sequence[str], context: int, published: bool
) -> list[Artist]:
    handles: list[Artist] = [style.key_line(one.label, one.colour, marker=one.marker) for one in readers]
    if len(lines) > 1:
        handles += [style.key_line(words.pairs(task), line=_line(place)) for place, task in enumerate(tasks)]
    handles.append(style.key_band())
    if context:
        empty = style.key_line("no demonstration", line="", marker="o")
        empty.set_markerfacecolor("white")
        handles.append(empty)
    if published:
        handles.append(style.key_line("published models (their words)", "#8c8c8c", "", "|"))
    return handles
