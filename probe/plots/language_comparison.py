"""What probe compare measured on language tasks: differences of accuracy by number of demonstrations and by task."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from probe.errors import ProbeError
from probe.plots import style, words
from probe.plots.canvas import canvas, whole
from probe.plots.style import USUAL, View
from probe.records import Record, with_dtypes

MEAN = "mean"
ROW = 0.155
"""Inches a task takes."""
GAP = 0.25
"""Share of a task's row between the first pair of models and the last."""


def language_comparison(records: Sequence[Record], view: View = USUAL) -> Figure:
    """Draws every pair's difference of accuracies by number of demonstrations, and task by task at the largest.

    Bands on the left are simultaneous 95 % over its points, bars on the right 95 %, each for itself. The view may set
    the number of demonstrations that tasks are drawn at.
    """
    style.check_view(view, "a comparison of language models", "ax", "context")
    if not records:
        raise ProbeError("No record was given, but a comparison needs one. Give the .csv of probe compare.")
    if len(records) != 1 or not {"difference", "task"} <= set(records[0].table.columns):
        raise ProbeError(
            "A comparison of language models is drawn from one record of probe compare on such tasks. Give its .csv."
        )
    table = with_dtypes(records[0].table)
    table = table[table["metric"] == "accuracy"]
    tasks = [name for name in dict.fromkeys(table["task"]) if name != MEAN]
    context = _context(table, view.context)
    pairs = {
        f"{words.text(a)} − {words.text(b)}": rows for (a, b), rows in table.groupby(["model", "other"], sort=False)
    }
    colours = {name: style.COLOURS[place % len(style.COLOURS)] for place, name in enumerate(pairs)}
    with style.page():
        figure = canvas(view.ax, 2, max(2.4, ROW * len(tasks) + 0.7))
        left, right = figure.subplots(1, 2, width_ratios=(1.0, 1.25))
        for place, (name, rows) in enumerate(pairs.items()):
            _draw_demonstrations(left, rows, tasks, name, colours[name])
            shift = GAP * (place - (len(pairs) - 1) / 2) / max(len(pairs) - 1, 1)
            _draw_tasks(right, rows[rows["context"] == context], tasks, shift, colours[name])
        _finish(left, right, tasks, context, _what(table))
        band = "bands on the left: 95 % by prompt, for all points at once; bars: each task's own"
        words.head_line(figure, view.title, words.about(records, band, table["prompts"]))
        style.add_legend(figure, _key(colours))
    return whole(figure)


def _context(table: pd.DataFrame, asked: int | None) -> int:
    known = sorted({int(number) for number in table["context"]})
    if asked is not None and asked not in known:
        raise ProbeError(
            f"No task was compared at {asked} demonstrations. The record has: {', '.join(map(str, known))}."
        )
    return known[-1] if asked is None else asked


def _what(table: pd.DataFrame) -> str:
    means = table[table["task"] == MEAN]
    return "difference" if means.empty else f"difference, mean of {style.count(int(means['tasks'].max()), 'task')}"


def _draw_demonstrations(axes: Axes, rows: pd.DataFrame, tasks: Sequence[str], name: str, colour: str) -> None:
    """Draws the mean over tasks, or the only task."""
    chosen = MEAN if (rows["task"] == MEAN).any() else tasks[0]
    rows = rows[rows["task"] == chosen].sort_values("context")
    x = rows["context"].to_numpy(dtype=float)
    style.draw_band(axes, x, rows["all_low"], rows["all_high"], colour)
    axes.plot(x, rows["difference"], color=colour, marker="o", label=name)


def _draw_tasks(axes: Axes, rows: pd.DataFrame, tasks: Sequence[str], shift: float, colour: str) -> None:
    rows = rows.set_index("task")
    for place, task in enumerate(tasks):
        if task in rows.index:
            row, y = rows.loc[task], place + shift
            axes.plot([row["low"], row["high"]], [y, y], color=colour, linewidth=1.0)
            axes.plot([row["difference"]], [y], "o", color=colour, label=task)


def _finish(left: Axes, right: Axes, tasks: Sequence[str], context: int, what: str) -> None:
    left.axhline(0, color="black", linewidth=0.7, zorder=1)
    left.set_xlabel("demonstrations in the prompt")
    left.set_ylabel(what)
    left.grid(True, axis="y")
    style.whole_numbers(left)
    right.axvline(0, color="black", linewidth=0.7, zorder=1)
    right.set_yticks(range(len(tasks)), [words.pairs(task) for task in tasks])
    right.set_ylim(len(tasks) - 0.5, -0.5)
    right.tick_params(axis="y", length=0)
    right.grid(True, axis="x")
    right.set_xlabel(f"difference with {style.count(context, 'demonstration')}")


def _key(colours: dict[str, str]) -> list[Artist]:
    handles: list[Artist] = [style.key_line(name, colour, marker="o") for name, colour in colours.items()]
    band = Patch(facecolor=style.GREY, alpha=0.3, linewidth=0, label="95 % band, over all points on the left")
    return [*handles, band, style.key_line("0: equal accuracies", "black")]
