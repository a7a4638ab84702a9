"""What pictures of evidence share: rows of one model and kind, curves with bands, and colours by layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_hex
from matplotlib.figure import Figure, SubFigure

from probe.errors import ProbeError
from probe.plots import style, words
from probe.plots.canvas import PAGE, Canvas, Column, OneAxes, Page, whole
from probe.plots.style import USUAL, Line, View
from probe.records import Record, with_dtypes

UNTRAINED = "linear, untrained"
LAYERS = LinearSegmentedColormap.from_list("layers", ("#2A0845", "#4D3A94", "#2A6F97", "#1F8A70", "#948C00"))
"""From the first layer to the last: no black, which is for references, and nothing too pale for a line."""
Part = SubFigure | Figure | OneAxes | None
"""A part of a page, the reader's figure or axes, or a page for panels beneath one another, to draw into; or none."""
Draw = Callable[[pd.DataFrame, str | None, Part], Figure]
"""Draws one model's rows, with a title, on a page of its own or into a part of one."""


def rows_of(table: pd.DataFrame, evidence: str, metrics: str) -> pd.DataFrame:
    """Returns the rows of one kind of evidence about one model.

    Args:
        metrics: what a metric must start with for there to be something to draw.

    Raises:
        ProbeError: if there are none, or several models.
    """
    rows = with_dtypes(table[table["evidence"] == evidence])
    if not rows["metric"].astype(str).str.startswith(metrics).any():
        raise ProbeError(f"The record has no rows of {evidence} to draw. Give one of probe claim that holds them.")
    models = [str(name) for name in rows["model"].unique()]
    if len(models) > 1:
        raise ProbeError(f"Rows of {', '.join(models)} were given, but this picture shows one model. Draw each alone.")
    return rows


def of_one_claim(
    draw: Draw, evidence: str, picture: str, letters: str = ""
) -> Callable[[Sequence[Record], View], Figure]:
    """Returns a function that draws a kind of evidence from one record of `probe claim`.

    Args:
        draw: draws one model's rows, with a title, on a page of its own or into a part of one.
        evidence: the kind of the rows that it draws.
        picture: what is drawn, for messages.
        letters: what single letters of the picture stand for.
    """
    read = "; ".join(filter(None, [letters, words.POINTWISE]))

    def figure(records: Sequence[Record], view: View = USUAL) -> Figure:
        style.check_view(view, picture, "ax")
        if not records:
            raise ProbeError(f"No record was given, but {picture} needs one. Give the .csv of probe claim.")
        if len(records) != 1 or "evidence" not in records[0].table.columns:
            raise ProbeError(f"{picture.capitalize()} is drawn from one record of probe claim. Give its .csv alone.")
        drawn, without = each_model(draw, records[0].table, part_of(view))
        with style.page():
            line = words.about(records, read, _prompts(records[0], evidence))
            words.head_line(drawn, view.title, lacking(line, without))
        return whole(drawn)

    return figure


def part_of(view: View) -> Part:
    """Returns the figure or axes of the reader's that a view asks to draw into, or none."""
    return OneAxes(view.ax) if isinstance(view.ax, Axes) else view.ax


def each_model(draw: Draw, table: pd.DataFrame, part: Part = None) -> tuple[Canvas, list[str]]:
    """Returns what was drawn on, with a part for every model, named where there are several, and the models left out.

    Args:
        part: a figure or axes to draw into; by default a page of its own. Axes hold one panel of one model.

    Raises:
        ProbeError: if no model has anything to draw.
    """
    models = [str(name) for name in table["model"].dropna().unique()]
    if len(models) < 2:
        drawn = draw(table, None, part)
        return drawn if part is None else part, []
    pages: dict[str, Figure] = {}
    refused: dict[str, ProbeError] = {}
    for model in models:
        try:
            pages[model] = draw(table[table["model"] == model], words.text(model), None)
        except ProbeError as error:
            refused[model] = error
    if not pages:
        raise next(iter(refused.values()))
    if len(pages) == 1 and part is None:
        return next(iter(pages.values())), list(refused)
    if isinstance(part, OneAxes):
        part.subplots(len(pages))
        model = next(iter(pages))
        draw(table[table["model"] == model], words.text(model), part)
        return part, list(refused)
    # a model's page says how high its part must be, legend included
    heights = [page.get_figheight() for page in pages.values()]
    with style.page():
        size = (max(page.get_figwidth() for page in pages.values()), sum(heights))
        page = Page(figsize=size, layout="constrained") if part is None else part
        parts = page.subfigures(len(pages), 1, squeeze=False, height_ratios=heights)[:, 0]
    for model, place in zip(pages, parts, strict=True):
        draw(table[table["model"] == model], words.text(model), place)
    return page, list(refused)


def lacking(line: str, without: Sequence[str]) -> str:
    """Returns the line above a picture, with the models that it shows nothing of."""
    return f"{line}; no such rows of {', '.join(words.text(name) for name in without)}" if without else line


def begin(part: Part, columns: int, height: float, title: str | None) -> Canvas:
    """Returns the part of a page, or the column, that was given, with its title, or an empty page."""
    if part is None:
        return style.new_figure(columns, height, title)
    if isinstance(part, Column):
        part.set_figheight(height)
    if title and not isinstance(part, OneAxes):
        part.suptitle(words.text(title, 200), fontsize=8.5)
    return part


def in_column(draw: Draw, table: pd.DataFrame) -> Figure:
    """Returns one model's rows with the panels beneath one another, as wide as a telephone."""
    with style.page():
        page = Column(figsize=(PAGE[1], 1.0), layout="constrained")
    draw(table, None, page)
    page.close()
    return page


def _prompts(record: Record, evidence: str) -> pd.Series[Any]:
    table = with_dtypes(record.table)
    found: pd.Series[Any] = table.loc[table["evidence"] == evidence, "prompts"]
    return found


def numbers(rows: pd.DataFrame, name: str) -> list[int]:
    """Returns the whole numbers that stand in a column, ascending."""
    return sorted({int(value) for value in rows[name].dropna()})


def equal(rows: pd.DataFrame, **wanted: str | int) -> pd.DataFrame:
    """Returns the rows whose columns have these values."""
    for name, value in wanted.items():
        rows = rows[rows[name].eq(value).fillna(False).astype(bool)]
    return rows


def layer_colour(layer: int, layers: list[int]) -> str:
    """Returns a layer's colour, darker the earlier."""
    place = layers.index(layer) / max(len(layers) - 1, 1)
    return to_hex(LAYERS(place))


def draw_curve(
    axes: Axes, rows: pd.DataFrame, along: str, colour: str, line: Line = "-", marker: str = "", label: str = ""
) -> None:
    """Draws values with their bands along a column of whole numbers."""
    rows = rows.dropna(subset=["value"]).sort_values(along)
    at = rows[along].to_numpy(dtype=np.float64)
    style.draw_band(axes, at, rows["low"], rows["high"], colour)
    axes.plot(at, rows["value"], color=colour, linestyle=line, marker=marker, markersize=2.5, label=label)


def panel_key(axes: Axes, entries: Sequence[Artist], across: int = 3) -> None:
    """Sets a panel's own legend beneath it, where it covers no data: panels of other things have other legends."""
    axes.legend(
        handles=list(entries),
        loc="upper left",
        bbox_to_anchor=(-0.14, -0.2),
        fontsize=6,
        ncols=across,
        labelspacing=0.3,
        columnspacing=1.0,
    )


def finish(axes: Axes, title: str, x: str, y: str) -> None:
    """Sets a panel's title, labels and grid."""
    axes.set_title("\n".join(words.text(part, style.TITLE) for part in title.split("\n")), loc="left", fontsize=7.5)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(True, axis="y")
    style.whole_numbers(axes)
