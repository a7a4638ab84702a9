"""The context curve: error against the number of examples in context."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from probe.errors import ProbeError
from probe.plots import style, words
from probe.plots.canvas import canvas, whole
from probe.plots.style import USUAL, Line, Numbers, Series, View
from probe.records import Record

REACH = 30.0
DASHES: Line = (0, (4, 1.5))
EXACT = 1e-9
"""Below this a learner's error is what rounding leaves of zero."""


def context_curve(records: Sequence[Record], view: View = USUAL) -> Figure:
    """Draws each model's own error, and least squares beside it, against the number of examples.

    The view may set target, and layers, at which a head (the linear one by default) is drawn in the model's
    colour, darker the earlier.
    """
    style.check_view(view, "a context curve", "ax", "heads", "layers", "target")
    series = style.read_series(records, "fit", "a context curve", view.target)
    head = _head(series, view)
    curves = [_curve(one.rows("model")) for one in series]
    if all(curve.empty for curve in curves) and not view.layers:
        raise ProbeError("The record lacks the model's own error. Name layers to draw a head there instead.")
    squares = [_curve(_rows(one, one.table["head"].eq("least_squares"))) for one in series]
    layers = sorted(set(view.layers))
    heads = {layer: [_curve(_at_layer(one, head, layer)) for one in series] for layer in layers}
    bottom, top = _limits([*curves, *(curve for each in heads.values() for curve in each)], squares)
    columns = view.columns or (1 if len(series) <= 2 else 2)
    with style.page():
        figure = canvas(view.ax, columns, 2.6)
        axes = figure.subplots()
        style.log_errors(axes, bottom, top)
        axes.axhline(1.0, color="black", linewidth=0.7, zorder=1, label="zero")
        references = [*_draw_least_squares(axes, series, squares, bottom), *_draw_trained(axes, series)]
        for i, one in enumerate(series):
            _draw(axes, curves[i], one.colour, one.marker, f"{one.label} model")
            for layer, each in heads.items():
                _draw(axes, each[i], _shade(one.colour, layer, layers), "", f"{one.label} {head} {layer}", "--")
        _lay_contexts(axes, pd.concat([*curves, *(curve for each in heads.values() for curve in each)]))
        axes.set_xlabel(words.contexts(records).axis)
        target = view.target or str(series[0].table["target"].dropna().iloc[0])
        unit = words.unit(records[0], target)
        axes.set_ylabel(words.error_label([unit]))
        if len(style.read_targets(records)) > 1:
            axes.set_title(f"target {words.text(target)}", loc="left", fontsize=7.5)
        words.head_line(figure, view.title, words.about(records, words.POINTWISE))
        style.add_legend(
            figure, [*_key(series, head, layers, len(axes.collections) > 0), style.key_line(unit, "black"), *references]
        )
    return whole(figure)


def _head(series: Sequence[Series], view: View) -> str:
    if not view.layers:
        if view.heads:
            raise ProbeError("A head was given without layers to draw it at. Name the layers too.")
        return "linear"
    head = style.choose_heads(series, view.heads, ["linear"])[0]
    for layer in view.layers:
        if all(_at_layer(one, head, layer).empty for one in series):
            raise ProbeError(f"No model has the head {head} at layer {layer}. Choose a layer the record has.")
    return head


def _at_layer(one: Series, head: str, layer: int) -> pd.DataFrame:
    return _rows(one, one.table["head"].eq(head) & one.table["layer"].eq(layer).fillna(False))


def _rows(one: Series, chosen: pd.Series[bool]) -> pd.DataFrame:
    return one.table[chosen.astype(bool) & one.table["error"].notna()]


def _curve(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[["context", "error", "low", "high"]].astype("float64").sort_values("context")


def _draw(axes: Axes, curve: pd.DataFrame, colour: str, marker: str, label: str, line: str = "-") -> None:
    if curve.empty:
        return
    style.draw_band(axes, curve["context"].to_numpy(dtype=np.float64), curve["low"], curve["high"], colour)
    shown = marker if len(curve) <= 45 else ""
    axes.plot(curve["context"], curve["error"], color=colour, linestyle=line, marker=shown, label=label)


def _lay_contexts(axes: Axes, curves: pd.DataFrame) -> None:
    """Spaces contexts as they were chosen: evenly as a rule, by powers of two where their gaps grow."""
    contexts = np.unique(curves["context"].to_numpy(dtype=np.float64))
    gaps = np.diff(contexts)
    if gaps.size >= 3 and gaps[-1] > 4 * gaps[0]:
        axes.set_xscale("symlog", base=2, linthresh=1)
        axes.set_xticks(contexts, [f"{context:.0f}" for context in contexts])
        axes.xaxis.set_minor_locator(NullLocator())
    else:
        style.whole_numbers(axes)


def _draw_least_squares(
    axes: Axes, series: Sequence[Series], squares: Sequence[pd.DataFrame], bottom: float
) -> list[Artist]:
    """Draws one line where models saw the same prompts, and lets it leave the axis where the error is 0."""
    drawn: list[pd.DataFrame] = []
    handles: list[Artist] = []
    alone = len({_rounded(curve) for curve in squares if not curve.empty}) == 1
    for one, curve in zip(series, squares, strict=True):
        if curve.empty or any(_rounded(curve) == _rounded(other) for other in drawn):
            continue
        drawn.append(curve)
        colour = "black" if alone else one.colour
        shown = np.maximum(curve["error"], bottom * 1e-2)
        axes.plot(curve["context"], shown, color=colour, linestyle=DASHES, linewidth=1.0, label="least_squares")
        exact = curve.loc[curve["error"] < EXACT, "context"]
        note = f" (0 from {int(exact.min())})" if len(exact) else ""
        whose = "" if alone else f", {one.label}"
        handles.append(style.key_line(f"least squares{whose}{note}", colour, DASHES))
    return handles


def _rounded(curve: pd.DataFrame) -> tuple[float, ...]:
    """Returns contexts and errors to two digits, by which two records' learners are told apart."""
    return tuple(
        float(f"{value:.1e}") if value > EXACT else 0.0 for value in curve[["context", "error"]].to_numpy().flat
    )


def _draw_trained(axes: Axes, series: Sequence[Series]) -> list[Artist]:
    """Marks the trained context where the record goes beyond it."""
    trained = {int(one.about["context"]) for one in series if one.about.get("context")}
    beyond = sorted(n for n in trained if any(one.table["context"].max() > n for one in series))
    for n in beyond:
        axes.axvline(n, color=style.GREY, linewidth=0.8, linestyle=":", zorder=1, label="trained")
    return [style.key_line("longest context in training", line=":")] if beyond else []


def _limits(curves: Sequence[pd.DataFrame], squares: Sequence[pd.DataFrame]) -> tuple[float, float]:
    errors = _positive(curves)
    lowest = float(errors.min()) if errors.size else 1e-2
    near = _positive(squares)
    near = near[near >= lowest / REACH]
    # A learner near its interpolation threshold may have no finite mean: its peak does not set the axis.
    top = max(1.0, float(errors.max()) if errors.size else 1.0, min(10.0, float(near.max(initial=1.0))))
    return float(min(lowest, near.min(initial=lowest))) / 1.7, top * 1.7


def _positive(curves: Sequence[pd.DataFrame]) -> Numbers:
    values = np.concatenate([curve["error"].to_numpy(dtype=np.float64) for curve in curves] or [np.empty(0)])
    return values[values > 0]


def _shade(colour: str, layer: int, layers: Sequence[int]) -> str:
    """Returns the colour, mixed with black the earlier the layer: mixed with white it would fade."""
    kept = 1 - 0.6 * (1 - (layers.index(layer) + 1) / len(layers))
    red, green, blue = to_rgb(colour)
    return to_hex((kept * red, kept * green, kept * blue))


def _key(series: Sequence[Series], head: str, layers: Sequence[int], banded: bool) -> list[Artist]:
    handles: list[Artist] = [style.key_line(one.label, one.colour, marker=one.marker) for one in series]
    handles.append(style.key_line("model's own error"))
    for layer in layers:
        name = f"{style.name(head)}, layer {layer}"
        handles.append(style.key_line(name, _shade(style.GREY, layer, layers), "--"))
    if banded:
        handles.append(style.key_band())
    return handles
