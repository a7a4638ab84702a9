"""What interventions do to a model's answer, in small multiples: one panel a kind, one row of them a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from probe.errors import ProbeError
from probe.plots import style, words
from probe.plots.canvas import Canvas, OneAxes, Page, canvas, whole
from probe.plots.style import USUAL, Line, View
from probe.records import Record, with_dtypes

BLOCK_LABEL = "block"
LAYER_LABEL = style.X_LABELS["layer"]
ERROR_LABEL = style.ERROR_LABEL.replace(" (", "\n(")
"""In two lines: panels are low."""
HEIGHT = 2.5
ACROSS = 3


@dataclass(frozen=True)
class Curve:
    """One line of a panel: which rows it is made of, and its look."""

    label: str
    site: str
    metric: str
    head: str | None
    colour: str
    marker: str
    line: Line = "-"


@dataclass(frozen=True)
class Panel:
    """One kind of intervention.

    Args:
        x: what layers are in this panel.
        level: a horizontal line: what a full effect would be, or the site of an error without a layer.
        limits: of y, or None for a log axis of errors.
    """

    title: str
    y: str
    x: str
    curves: tuple[Curve, ...]
    level: float | str
    limits: tuple[float, float] | None


BLUE, ORANGE, GREEN, PURPLE, BROWN, SKY = style.COLOURS
INDIGO, WINE, DARK_GREEN, VIOLET, OLIVE, TEAL = style.SECOND
RED = "#C2185B"
INTERNALS = {"convolution": SKY, "lookback": BROWN, "gate": RED, "delta": DARK_GREEN, "B": OLIVE, "C": TEAL}
"""Colours of Mamba's internals, which nothing else in the picture has."""
PANELS = (
    Panel(
        "stream at the query exchanged",
        "share of the way, or R²",
        LAYER_LABEL,
        (
            Curve("share of the way to the donor's answer", "stream", "share", None, BLUE, "o"),
            Curve("R², predicted by the linear head", "stream", "r2", "linear", ORANGE, "s"),
            Curve("R², predicted by the lens", "stream", "r2", "lens", GREEN, "^", "--"),
        ),
        1.0,
        (-0.6, 1.15),
    ),
    Panel(
        "steered along the head",
        "shift / shift asked for",
        LAYER_LABEL,
        (
            Curve("along the linear head's direction w", "steer:head", "slope", "linear", ORANGE, "D", "--"),
            Curve("along the covariance with its answer", "steer:pattern", "slope", "linear", ORANGE, "P"),
            Curve("random, as long as w", "steer:random", "slope", "linear", style.GREY, "", ":"),
        ),
        1.0,
        (-0.6, 1.35),
    ),
    Panel(
        "states exchanged, block by block",
        "share of the way, or R²",
        BLOCK_LABEL,
        (
            Curve("share of the way to the donor's answer", "state", "share", None, BLUE, "o"),
            Curve("R² against the own answer", "state", "own_r2", None, PURPLE, "D", "-."),
            Curve("R², predicted by the linear head", "state", "r2", "linear", ORANGE, "s"),
        ),
        1.0,
        (-0.6, 1.15),
    ),
    Panel(
        "blocks edited",
        ERROR_LABEL,
        BLOCK_LABEL,
        (
            Curve("skipped", "skip", "error", None, INDIGO, "o"),
            Curve("repeated", "repeat", "error", None, WINE, "s"),
            Curve("exchanged with the next", "swap", "error", None, VIOLET, "^", "--"),
        ),
        "whole",
        None,
    ),
    Panel(
        "all later blocks left out",
        ERROR_LABEL,
        LAYER_LABEL,
        (
            Curve("lens", "exit", "error", "lens", GREEN, "^", "--"),
            Curve("linear head", "exit", "error", "linear", ORANGE, "s"),
        ),
        "whole",
        None,
    ),
    Panel(
        "internals held at their mean",
        ERROR_LABEL,
        BLOCK_LABEL,
        tuple(
            Curve(name, f"mean:{name}", "error", None, colour, marker)
            for (name, colour), marker in zip(INTERNALS.items(), style.MARKERS, strict=True)
        ),
        "whole",
        None,
    ),
)


def draw_causes(table: pd.DataFrame, figure: Canvas, across: int = ACROSS) -> None:
    """Draws every kind of intervention that a table of evidence has rows of, one row of panels a model.

    Thin black lines are a full effect, or the error of the model as it is; bands are pointwise 95 %. What leaves the
    axis of an R² at the bottom predicts worse than no shift at all.

    Args:
        table: rows of evidence; those of another kind than ``causes`` are left out.
        figure: an empty page, which is made as high as the panels need, or a figure of the reader's.
        across: panels beside one another.
    """
    rows = with_dtypes(table[table["evidence"] == "causes"])
    known = () if rows.empty else PANELS
    shown = [panel for panel in known if any(not _rows(rows, curve).empty for curve in panel.curves)]
    if not shown:
        raise ProbeError("The record has no interventions to draw. Give a record of probe claim.")
    models = [str(name) for name in rows["model"].unique()]
    down = -(-len(shown) // across)
    if isinstance(figure, OneAxes):
        figure.subplots(down, across * len(models))
        return
    if isinstance(figure, Page):
        figure.set_figheight(HEIGHT * down * len(models) + 0.3)
    for part, model in zip(figure.subfigures(len(models), 1, squeeze=False)[:, 0], models, strict=True):
        mine = rows[rows["model"] == model]
        context, prompts = (int(mine[name].iloc[0]) for name in ("context", "prompts"))
        part.suptitle(
            f"{words.text(model)}: {style.count(context, 'example')} in context, {prompts:,} prompts", fontsize=8.5
        )
        panels = part.subplots(down, across, squeeze=False).ravel()
        limits = _error_limits(mine, shown)
        for axes, panel in zip(panels, shown, strict=False):
            _draw(axes, panel, mine, limits)
        for axes in panels[len(shown) :]:
            axes.set_visible(False)


def causes_figure(records: Sequence[Record], view: View = USUAL) -> Figure:
    """Draws the interventions of any number of models as a picture of its own, two columns of a paper wide."""
    style.check_view(view, "a picture of interventions", "ax")
    if not records:
        raise ProbeError("No record was given, but a picture of interventions needs one. Give the .csv of probe claim.")
    named = [str(name) for one in records if "model" in one.table for name in one.table["model"].dropna().unique()]
    if twice := sorted({name for name in named if named.count(name) > 1}):
        raise ProbeError(
            f"Records of {', '.join(map(words.text, twice))} were given twice, but a panel shows one. Draw each alone."
        )
    table = pd.concat([record.table for record in records], ignore_index=True)
    known = table[table["evidence"] == "causes"] if "evidence" in table else table.iloc[:0]
    with style.page():
        figure = canvas(view.ax, view.columns or 2, HEIGHT)
        draw_causes(known if "evidence" in table else pd.DataFrame({"evidence": []}), figure)
        prompts = known.get("prompts")
        words.head_line(figure, view.title, words.about(records, words.POINTWISE, prompts))
    return whole(figure)


def _rows(table: pd.DataFrame, curve: Curve) -> pd.DataFrame:
    head = table["head"].isna() if curve.head is None else table["head"].eq(curve.head)
    chosen = table["site"].eq(curve.site) & table["metric"].eq(curve.metric) & head & table["layer"].notna()
    return table[chosen.fillna(False)].sort_values("layer")


def _draw(axes: Axes, panel: Panel, table: pd.DataFrame, limits: tuple[float, float]) -> None:
    entries: list[Artist] = []
    for curve in panel.curves:
        rows = _rows(table, curve)
        if rows.empty:
            continue
        at = rows["layer"].to_numpy(dtype=np.float64)
        style.draw_band(axes, at, rows["low"], rows["high"], curve.colour)
        axes.plot(at, rows["value"], color=curve.colour, linestyle=curve.line, marker=curve.marker, label=curve.label)
        entries.append(style.key_line(curve.label, curve.colour, curve.line, curve.marker))
    level = _level(table, panel.level)
    if level is not None:
        axes.axhline(level, color="black", linewidth=0.7, zorder=1.2, label="level")
    if panel.limits is None:
        style.log_errors(axes, *limits)
    else:
        axes.axhline(0.0, color=style.GREY, linewidth=0.5, zorder=1.1, label="nothing")
        axes.set_ylim(*panel.limits)
        axes.grid(True, axis="y")
    axes.set_title(panel.title, loc="left", fontsize=7.5)
    axes.set_xlabel(panel.x)
    axes.set_ylabel(panel.y)
    style.whole_numbers(axes)
    if entries:
        # beneath, where it covers no data
        across = 1 if len(entries) <= 3 else 3
        axes.legend(
            handles=entries,
            fontsize=6,
            loc="upper center",
            bbox_to_anchor=(0.45, -0.27),
            ncols=across,
            labelspacing=0.3,
        )
    else:
        axes.text(0.5, 0.5, "does not apply", transform=axes.transAxes, ha="center", color=style.GREY)


def _error_limits(table: pd.DataFrame, panels: Sequence[Panel]) -> tuple[float, float]:
    """Returns the limits of all panels of errors, which are compared."""
    shown = [panel for panel in panels if panel.limits is None]
    values = [value for panel in shown for curve in panel.curves for value in _rows(table, curve)["value"]]
    levels = [level for panel in shown if (level := _level(table, panel.level))]
    positive = [float(value) for value in [*values, *levels, 1.0] if value > 0]
    return min(positive) / 1.6, max(positive) * 1.6


def _level(table: pd.DataFrame, level: float | str) -> float | None:
    if isinstance(level, float):
        return level
    rows = table[table["site"].eq(level) & table["metric"].eq("error")]
    return None if rows.empty else float(rows["value"].iloc[0])
