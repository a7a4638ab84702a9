"""The layer curve: error from the read-in to the last block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from probe.plots import style, words
from probe.plots.canvas import canvas, whole
from probe.plots.style import USUAL, Line, Series, View
from probe.records import METRICS, Record

REFERENCE_LINES: tuple[Line, ...] = ((0, (1, 1)), (0, (5, 1, 1, 1)), (0, (3, 1, 1, 1, 1, 1)), (0, (7, 2)))
REACH = 30.0
"""A reference further than this below every curve is named in the legend: drawn, it would flatten them."""
CEILING = 100.0
"""A curve above this leaves the axis at the top."""
EXACT = 1e-9
"""Below this a learner's error is what rounding leaves of zero."""


@dataclass(frozen=True)
class Reference:
    """A classical learner or chance: an error without a layer, and the model it belongs to if they differ."""

    head: str
    error: float
    label: str
    colour: str


@dataclass(frozen=True, eq=False)
class Panel:
    """One target: the models' rows of it, the heads that were asked for it, and what stands beside them."""

    target: str
    series: list[Series]
    heads: list[str]
    references: list[Reference]
    unit: str


def layer_curve(records: Sequence[Record], view: View = USUAL) -> Figure:
    """Draws error against depth for any number of models, at one context, a panel a target.

    Colour tells models apart and the line its head; bands are pointwise 95 %. A caret at the right edge is
    the model's own prediction error. The view may set x, context, heads and target.
    """
    style.check_view(view, "a layer curve", "ax", "x", "context", "heads", "target")
    panels, context = _panels(records, view)
    x = style.choose_x(panels[0].series, view.x)
    limits = [_limits(one.series, one.heads, context, one.references) for one in panels]
    bottom, top = min(low for low, _ in limits), max(high for _, high in limits)
    measured = _measured(panels)
    count = len(panels) + len(measured)
    across = count if count < 4 else 2
    columns = view.columns or (1 if len(panels[0].series) <= 2 and count == 1 else 2)
    with style.page():
        height = 2.7 if columns == 1 else 3.2 if count < 3 else 2.6
        figure = canvas(view.ax, columns, height * -(-count // across))
        grid = figure.subplots(-(-count // across), across, squeeze=False, sharex=True)
        lines = _reference_lines(panels)
        for axes, panel in zip(grid.flat, panels, strict=False):
            style.log_errors(axes, bottom, top)  # the same of every target: they are compared
            _draw_panel(axes, panel, context, x, lines)
            named = len(panels) > 1 or panel.target != "y"
            whose = f"target {words.text(panel.target)}, " if named else ""
            axes.set_title(f"{whose}{words.contexts(records).place(context)}", loc="left", fontsize=7.5)
        for axes, name in zip(grid.flat[len(panels) : count], measured, strict=True):
            _draw_metric(axes, name, panels, context, x)
        for axes in grid.flat[count:]:
            axes.remove()
        banded = any(axes.collections for axes in figure.axes)
        words.head_line(figure, view.title, words.about(records, words.POINTWISE if banded else "no bands"))
        style.add_legend(figure, _key(panels, lines, banded, bottom), beside=count == 1)
    return whole(figure)


def _measured(panels: Sequence[Panel]) -> list[str]:
    """Returns the further metrics that some row of a panel has."""
    tables = [one.table for panel in panels for one in panel.series]
    return [name for name in METRICS if any(name in table.columns and table[name].notna().any() for table in tables)]


def _draw_metric(axes: Axes, name: str, panels: Sequence[Panel], context: int, x: str) -> None:
    """Draws a further metric of every head that has it; a learner's is a horizontal line."""
    for panel in panels:
        for one in panel.series:
            if name not in one.table.columns:
                continue
            for head in panel.heads:
                rows = one.rows(head, context)
                rows = rows[rows[name].notna()]
                at = one.positions(x, rows["layer"])
                style.draw_band(axes, at, rows[f"{name}_low"], rows[f"{name}_high"], one.colour)
                line = style.HEAD_LINES.get(head, style.OTHER_LINE)
                axes.plot(at, rows[name], color=one.colour, linestyle=line, label=f"{one.label} {head} {name}")
            for value in one.rows("model", context)[name].dropna():
                _draw_own(axes, one, float(value))
    axes.set_ylim(-0.02, 1.02)
    axes.grid(True, axis="y")
    axes.set_xlabel(style.X_LABELS[x])
    axes.set_title(METRICS[name], loc="left", fontsize=7.5)


def _panels(records: Sequence[Record], view: View) -> tuple[list[Panel], int]:
    """Returns a panel for every target to draw, and the one context."""
    targets = style.choose_targets(records, view.target)
    each = [style.read_series(records, "fit", "a layer curve", target) for target in targets]
    heads = [_heads(series, view, alone=len(targets) == 1) for series in each]
    if not any(heads):
        style.choose_heads(each[0], view.heads, style.HEAD_LINES)  # says why
    shown = [one for series, known in zip(each, heads, strict=True) if known for one in series]
    context = style.choose_context(shown, [head for known in heads for head in known], view.context)
    panels = [
        Panel(target, series, known, _references(series, known, context), _unit(records, target))
        for target, series, known in zip(targets, each, heads, strict=True)
    ]
    return panels, context


def _heads(series: Sequence[Series], view: View, alone: bool) -> list[str]:
    """Returns the heads of one target to draw; of several targets, one may have no head, or not the one asked for."""
    present = {str(name) for one in series for name in one.table.loc[one.table["layer"].notna(), "head"]}
    if alone or present & set(view.heads):
        return style.choose_heads(
            series, tuple(name for name in view.heads if alone or name in present), style.HEAD_LINES
        )
    return [] if view.heads or present <= {"model"} else style.choose_heads(series, (), style.HEAD_LINES)


def _unit(records: Sequence[Record], target: str) -> str:
    return " or ".join(dict.fromkeys(words.unit(record, target) for record in records))


def _draw_panel(axes: Axes, panel: Panel, context: int, x: str, lines: dict[str, Line]) -> None:
    _draw_references(axes, panel.references, lines)
    for one in panel.series:
        _draw_model(axes, one, panel.heads, context, x)
    axes.set_xlabel(style.X_LABELS[x])
    axes.set_ylabel(words.error_label([panel.unit]))
    axes.margins(x=0.02)
    if x == "layer":
        style.whole_numbers(axes)


def _draw_model(axes: Axes, one: Series, heads: Sequence[str], context: int, x: str) -> None:
    for head in heads:
        rows = one.rows(head, context)
        at = one.positions(x, rows["layer"])
        style.draw_band(axes, at, rows["low"], rows["high"], one.colour)
        if rows.empty:
            continue
        # an error of 0 has no logarithm: the curve leaves at the bottom, at its own layer
        shown = rows["error"].where(rows["error"] > 0, axes.get_ylim()[0] / 10)
        axes.plot(
            at,
            shown,
            color=one.colour,
            linestyle=style.HEAD_LINES.get(head, style.OTHER_LINE),
            marker=one.marker if head == "linear" and len(rows) <= 40 else "",
            label=f"{one.label} {head}",
        )
    for error in one.rows("model", context)["error"]:
        if error > 0:
            _draw_own(axes, one, float(error))


def _draw_own(axes: Axes, one: Series, value: float) -> None:
    """Draws the model's own value as a caret at the right edge."""
    axes.plot(
        [1.012],
        [value],
        transform=axes.get_yaxis_transform(),
        color=one.colour,
        marker="<",
        markersize=4.5,
        clip_on=False,
        label=f"{one.label} model",
    )


def _references(series: Sequence[Series], heads: Sequence[str], context: int) -> list[Reference]:
    """Returns rows without a layer: one where the models agree on it, else one in each model's colour."""
    found: dict[str, list[Reference]] = {}
    for one in series:
        table = one.table[one.table["layer"].isna() & one.table["context"].eq(context).fillna(False)]
        for head, error in zip(table["head"].astype(str), table["error"], strict=True):
            if pd.isna(error) or (head == "chance_calibrated" and "calibrated" not in heads):
                continue
            group = found.setdefault(head, [])
            if not any(np.isclose(error, other.error, rtol=0.02, atol=1e-9) for other in group):
                group.append(Reference(head, float(error), one.label, one.colour))
    return [
        Reference(head, one.error, "", style.GREY) if len(group) == 1 else one
        for head, group in found.items()
        for one in group
    ]


def _draw_references(axes: Axes, references: Sequence[Reference], lines: dict[str, Line]) -> None:
    axes.axhline(1.0, color="black", linewidth=0.7, zorder=1.2, label="zero")
    for reference in references:
        if reference.error >= axes.get_ylim()[0]:
            # Chance lies on the zero line as a rule: thicker and beneath it, both are seen.
            width = 2.2 if np.isclose(reference.error, 1.0, rtol=0.05) else 1.0
            axes.axhline(
                reference.error,
                color=reference.colour,
                linestyle=lines[reference.head],
                linewidth=width,
                zorder=1.1,
                label=reference.head,
            )


def _reference_lines(panels: Sequence[Panel]) -> dict[str, Line]:
    """Returns a line for every reference, the same in all panels."""
    names = dict.fromkeys(reference.head for panel in panels for reference in panel.references)
    return {name: REFERENCE_LINES[place % len(REFERENCE_LINES)] for place, name in enumerate(names)}


def _limits(
    series: Sequence[Series], heads: Sequence[str], context: int, references: Sequence[Reference]
) -> tuple[float, float]:
    """Returns limits around curves and bands; a band that touches zero takes at most half a decade."""
    rows = pd.concat([one.rows(head, context) for one in series for head in (*heads, "model")])
    errors = _positive(rows["error"])
    if not errors:
        return 1e-3, 2.0
    lowest = min(errors)
    lows = [max(low, lowest / 3) for low in _positive(rows["low"])]
    near = [reference.error for reference in references if reference.error >= lowest / REACH]
    highest = max([1.0, *errors, *_positive(rows["high"]), *near])
    # A lens may be off by orders of magnitude early on; beneath it the curves that matter would lie flat.
    return min([lowest, *lows, *near]) / 1.5, max(min(highest, CEILING), 3 * lowest) * 1.5


def _positive(column: pd.Series[float]) -> list[float]:
    return [float(value) for value in column.dropna() if value > 0]


def _key(panels: Sequence[Panel], lines: dict[str, Line], banded: bool, bottom: float) -> list[Artist]:
    """Returns the legend of colours and lines of all panels, with each model's number of blocks."""
    series = panels[0].series
    heads = list(dict.fromkeys(head for panel in panels for head in panel.heads))
    handles: list[Artist] = [style.key_model(one) for one in series]
    handles += [style.key_line(style.name(head), line=style.HEAD_LINES.get(head, style.OTHER_LINE)) for head in heads]
    if any(one.table["head"].eq("model").any() for panel in panels for one in panel.series):
        handles.append(style.key_line("model's own error", line="", marker="<"))
    handles += [style.key_band()] if banded else []
    handles.append(style.key_line(" or ".join(dict.fromkeys(panel.unit for panel in panels)), "black"))
    told: set[str] = set()
    for panel in panels:
        for entry in _reference_key(panel.references, lines, bottom):
            if str(entry.get_label()) not in told:
                told.add(str(entry.get_label()))
                handles.append(entry)
    return handles


def _reference_key(references: Sequence[Reference], lines: dict[str, Line], bottom: float) -> list[Artist]:
    """Returns the legend of the horizontal lines; what lies far below the axis is named with its value."""
    handles: list[Artist] = []
    for reference in references:
        label = style.name(reference.head) + (f", {reference.label}" if reference.label else "")
        line = lines[reference.head]
        if reference.error < bottom:
            value = "0" if reference.error < EXACT else f"{reference.error:.1g}"
            label, line = f"{label}: {value} (off axis)", ""
        handles.append(style.key_line(label, reference.colour, line))
    return handles
