"""How a site fares beyond the trained length: norm, memory, and what frozen heads still read, by length."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from probe.errors import ProbeError
from probe.plots import style, words
from probe.plots.canvas import canvas, whole
from probe.plots.rows import draw_curve, equal, layer_colour, numbers
from probe.plots.style import USUAL, Line, View
from probe.records import Record, with_dtypes
from probe.records.counted import COUNTED, Counted

MOST = 5
"""Layers drawn in a panel."""
TICKS = 4
"""Lengths that are named along an axis."""
REFITTED: Line = (0, (1.0, 1.5))


def health_figure(records: Sequence[Record], view: View = USUAL) -> Figure:
    """Draws a row of panels a model: norm, memory, and the errors of frozen and of refitted heads, by length."""
    style.check_view(view, "a picture of health", "ax", "layers")
    if not records:
        raise ProbeError("No record was given, but a picture of health needs one. Give that of probe fit --lengths.")
    tables = [with_dtypes(record.table) for record in records]
    if any("metric" not in table.columns or table.empty for table in tables):
        raise ProbeError("A picture of health is drawn from records of probe fit --lengths. Give their .csv.")
    models = [(str(name), rows) for table in tables for name, rows in table.groupby("model", sort=False)]
    with style.page():
        figure = canvas(view.ax, 2, 2.7 * len(models))
        panels = figure.subplots(len(models), 3, squeeze=False)
        every = numbers(pd.concat([rows for _, rows in models]), "layer")  # a layer has one colour in all rows
        for row, (name, rows) in zip(panels, models, strict=True):
            _model(row, name, rows, every, view, words.contexts(records))
        for column in panels.T:  # models are compared
            style.share_limits([axes for axes in column if axes.axison])
        words.head_line(figure, view.title, words.about(records, words.POINTWISE))
    return whole(figure)


def _model(
    panels: Sequence[Axes], name: str, rows: pd.DataFrame, every: list[int], view: View, counts: Counted
) -> None:
    own = numbers(rows, "layer")
    layers = list(view.layers) or own[:: -(-len(own) // MOST)]
    _panel(panels[0], rows, "norm", layers, every, words.text(name), "norm of the site")
    _panel(panels[1], rows, "memory", layers, every, "memory of the state", "tokens")
    if panels[1].lines:
        contexts = numbers(equal(rows, metric="memory"), "context")
        # a prompt of n examples and a query has 2 n + 1 tokens, one of n tokens and a query n + 1
        half = [n + 0.5 if counts == COUNTED["examples"] else (n + 1) / 2 for n in contexts]
        panels[1].plot(contexts, half, color="black", linestyle=":", linewidth=0.9)
    _errors(panels[2], rows, layers, every)
    for axes in panels:
        axes.set_xlabel(counts.noun.removeprefix("number of "))
    entries: list[Artist] = [style.key_line(f"layer {each}", layer_colour(each, every)) for each in layers]
    _key(panels[0], [*entries, style.key_band()])
    even = [style.key_line("half of all tokens", "black", ":")] if panels[1].lines else []
    if even:
        _key(panels[1], even)
    kinds = [style.key_line("frozen heads"), style.key_line("refitted heads", line=REFITTED)]
    kinds += [style.key_line("own error of y", "black", "--"), style.key_line("predicting zero", "black")]
    _key(panels[2], kinds)


def _panel(
    axes: Axes, rows: pd.DataFrame, metric: str, layers: Sequence[int], every: list[int], title: str, label: str
) -> None:
    found = equal(rows, metric=metric)
    if found.empty:
        axes.set_axis_off()
        return
    for layer in layers:
        _curves(axes, equal(found, layer=layer), layer_colour(layer, every), "-")
    _finish(axes, title, label, numbers(found, "context"))
    axes.set_yscale("log")
    style.log_ticks(axes)


def _errors(axes: Axes, rows: pd.DataFrame, layers: Sequence[int], every: list[int]) -> None:
    for metric, line in (("frozen", "-"), ("refitted", REFITTED)):
        for layer in layers:
            _curves(axes, equal(rows, metric=metric, layer=layer), layer_colour(layer, every), line)
    draw_curve(axes, equal(rows, metric="answer"), "context", "black", "--")
    targets = dict.fromkeys(str(target) for target in equal(rows, metric="frozen")["target"])
    axes.axhline(1.0, color="black", linewidth=0.7, zorder=1)
    _finish(
        axes, f"heads for {words.text(', '.join(targets))}", "error (1 = predicting zero)", numbers(rows, "context")
    )
    values = rows.loc[rows["metric"].isin(["frozen", "refitted", "answer"]), "value"]
    positive = values[values > 0]
    style.log_errors(axes, float(positive.min()) / 1.7, max(1.7, float(positive.max()) * 1.7))


def _curves(axes: Axes, rows: pd.DataFrame, colour: str, line: Line) -> None:
    """Draws one curve for each place of a layer: of attention heads there are several."""
    for _, one in rows.groupby("site", sort=False):
        draw_curve(axes, one, "context", colour, line, marker="o")


def _finish(axes: Axes, title: str, label: str, lengths: list[int]) -> None:
    axes.set_title(title, loc="left", fontsize=7.5)
    axes.set_ylabel(label)
    axes.set_xscale("log", base=2)
    axes.grid(True, axis="y")
    axes.set_xticks(lengths[:: -(-len(lengths) // TICKS)], minor=False)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_locator(NullLocator())


def _key(axes: Axes, entries: Sequence[Artist]) -> None:
    axes.legend(handles=list(entries), loc="upper left", bbox_to_anchor=(-0.14, -0.24), fontsize=6, ncols=2)
