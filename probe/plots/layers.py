"""The layer curve: error from the read-in to the last block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from probe.plots import style
from probe.plots.style import USUAL, Line, Series, View
from probe.records import Record

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


def layer_curve(records: Sequence[Record], view: View = USUAL) -> Figure:
    """Draws error against depth for any number of models, at one context.

    Colour tells models apart and the line its head; bands are pointwise 95 %. A caret at the right edge is
    the model's own prediction error. The view may set x, context, heads and target.
    """
    style.check_view(view, "a layer curve", "x", "context", "heads", "target")
    series = style.read_series(records, "fit", "a layer curve", view.target)
    heads = style.choose_heads(series, view.heads, style.HEAD_LINES)
    context = style.choose_context(series, heads, view.context)
    x = style.choose_x(series, view.x)
    references = _references(series, heads, context)
    bottom, top = _limits(series, heads, context, references)
    columns = view.columns or (1 if len(series) <= 2 else 2)
    with style.page():
        figure = style.new_figure(columns, 2.7 if columns == 1 else 3.2, view.title)
        axes = figure.subplots()
        style.log_errors(axes, bottom, top)
        _draw_references(axes, references, bottom)
        for one in series:
            _draw_model(axes, one, heads, context, x)
        axes.set_xlabel(style.X_LABELS[x])
        axes.set_ylabel(style.ERROR_LABEL)
        axes.set_title(f"{style.count(context, 'example')} in context", loc="left", fontsize=7.5)
        axes.margins(x=0.02)
        if x == "layer":
            style.whole_numbers(axes)
        banded = len(axes.collections) > 0
        style.add_legend(figure, [*_key(series, heads, banded), *_reference_key(references, bottom)])
    return figure


def _draw_model(axes: Axes, one: Series, heads: Sequence[str], context: int, x: str) -> None:
    for head in heads:
        rows = one.rows(head, context)
        at = one.positions(x, rows["layer"])
        style.draw_band(axes, at, rows["low"], rows["high"], one.colour)
        if rows.empty:
            continue
        axes.plot(
            at,
            rows["error"],
            color=one.colour,
            linestyle=style.HEAD_LINES.get(head, style.OTHER_LINE),
            marker=one.marker if head == "linear" and len(rows) <= 40 else "",
            label=f"{one.label} {head}",
        )
    for error in one.rows("model", context)["error"]:
        axes.plot(
            [1.012],
            [float(error)],
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


def _draw_references(axes: Axes, references: Sequence[Reference], bottom: float) -> None:
    axes.axhline(1.0, color="black", linewidth=0.7, zorder=1.2, label="zero")
    for reference in references:
        if reference.error >= bottom:
            # Chance lies on the zero line as a rule: thicker and beneath it, both are seen.
            width = 2.2 if np.isclose(reference.error, 1.0, rtol=0.05) else 1.0
            line = _line(references, reference)
            axes.axhline(
                reference.error,
                color=reference.colour,
                linestyle=line,
                linewidth=width,
                alpha=0.8,
                zorder=1.1,
                label=reference.head,
            )


def _line(references: Sequence[Reference], reference: Reference) -> Line:
    names = list(dict.fromkeys(other.head for other in references))
    return REFERENCE_LINES[names.index(reference.head) % len(REFERENCE_LINES)]


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


def _key(series: Sequence[Series], heads: Sequence[str], banded: bool) -> list[Artist]:
    """Returns the legend of colours and lines, with each model's number of blocks."""
    handles: list[Artist] = [style.key_model(one) for one in series]
    handles += [style.key_line(style.name(head), line=style.HEAD_LINES.get(head, style.OTHER_LINE)) for head in heads]
    if any(one.table["head"].eq("model").any() for one in series):
        handles.append(style.key_line("model's own error", line="", marker="<"))
    return [*handles, style.key_band()] if banded else handles


def _reference_key(references: Sequence[Reference], bottom: float) -> list[Artist]:
    """Returns the legend of the horizontal lines; what lies far below the axis is named with its value."""
    handles: list[Artist] = [style.key_line("predicting zero", "black")]
    for reference in references:
        label = style.name(reference.head) + (f", {reference.label}" if reference.label else "")
        line = _line(references, reference)
        if reference.error < bottom:
            value = "0" if reference.error < EXACT else f"{reference.error:.1g}"
            label, line = f"{label}: {value} (off axis)", ""
        handles.append(style.key_line(label, reference.colour, line))
    return handles
