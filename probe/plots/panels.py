"""Panels of curves: what was measured, over what others have published of the same quantity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogFormatter, NullFormatter
from numpy.typing import NDArray

from probe.errors import ProbeError, suggest
from probe.plots import style, words
from probe.plots.canvas import canvas, whole
from probe.plots.style import Line, Numbers

Text = TypeVar("Text", bound=str)
Scale = Literal["linear", "log"]
CURVE_COLUMNS = ["panel", "series", "source", "run", "x", "value", "low", "high"]
TOLD = ["task", "model", "prompts"]
"""Columns that curves may have beside these: what they were measured on, which stands above the picture."""
SHADES = ("black", "#5a5a5a", "#8c8c8c")
COLOURS = (*style.COLOURS, "#882255", "#999933")
MARKERS = (*style.MARKERS, "X", "<")
SHADE_MARKERS = ("x", "+", "1")
"""Of references, whose lines are told from the level's by them."""
MARKED = 20
"""About how many points of a curve have a marker."""
LEVEL_WIDTH = 0.7
"""Of the line at a level, which is thinner than any curve."""
PUBLISHED: Line = (0, (4, 1.5))
DOTTED: Line = (0, (1, 1.2))
PLAIN = 1e-3
"""A log axis that starts above this has plain numbers for ticks."""
REACH = 10.0
"""A reference further than this below every other curve leaves its panel at the bottom."""
OWN_ROWS = "each row of panels has its own range"
BAND = 3.0
"""A band that reaches further than this beyond the values is cut off."""
CEILING = 30.0
"""A curve further than this above the level leaves its panel at the top."""


@dataclass(frozen=True)
class Look:
    """How the curves of a source are drawn: in front or behind, thick or thin."""

    line: Line
    width: float
    marked: bool
    order: float


LOOKS = {
    "measured": Look("-", 1.4, True, 3.0),
    "published": Look(PUBLISHED, 0.9, False, 2.0),
    "misprinted": Look(DOTTED, 1.0, False, 1.9),
    "exact": Look("-.", 1.2, False, 2.5),
}
"""What was measured here; what was published; what was published and is known to be wrong; what follows by algebra."""


@dataclass(frozen=True)
class Panels:
    """Says how panels are laid out and what their axes are.

    Args:
        titles: of the panels, by name; those named are drawn, in this order.
        x_label: one for all, beneath the lowest, or one a panel; so is y_label, at the left.
        sources: what to call the sources in the legend.
        colours: of series, where pictures laid side by side must agree; the rest take the colours that are left.
        references: series drawn in greys, such as classical learners.
        levels: horizontal lines, by panel: an error of 1 as a rule.
        level_name: what such a line is.
        marks: vertical lines and what to call them.
        limits: of the y axis, by panel; from the data where none are given.
        y_scale: one for all, or one a panel.
        own_rows: whether every row of panels has its own range of y, which is then said above: where the curves of one
            would lie flat in the range of all.
    """

    titles: Mapping[str, str]
    x_label: str | Mapping[str, str]
    y_label: str | Mapping[str, str]
    sources: Mapping[str, str] = field(default_factory=dict)
    colours: Mapping[str, int] = field(default_factory=dict)
    references: Sequence[str] = ()
    levels: Mapping[str, float] = field(default_factory=dict)
    level_name: str = "predicting zero"
    band_name: str = "95 % band, by prompt"
    marks: Mapping[str, float] = field(default_factory=dict)
    limits: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    x_scale: Scale = "linear"
    y_scale: Scale | Mapping[str, Scale] = "log"
    shared_x: bool = True
    own_rows: bool = False
    across: int = 2
    height: float = 2.0
    title: str | None = None


def curve_panels(curves: pd.DataFrame, panels: Panels, ax: Axes | SubFigure | Figure | None = None) -> Figure:
    """Draws every panel's curves, colour by series and line by source; bands where a curve has both bounds.

    An axes is labelled by its panel's name, a line by its series, and its gid is the source.

    Args:
        curves: one row a point, with the columns `CURVE_COLUMNS`; runs of one series are drawn line by line. Where they
            have the columns `TOLD`, a line above the picture names tasks, checkpoints and numbers of prompts.
        ax: axes, for one panel, or a figure or subfigure to draw into; by default a page of its own.
    """
    _check(curves, panels)
    names = list(panels.titles)
    across = min(panels.across, len(names))
    down = -(-len(names) // across)
    colours = _colours(curves, panels)
    with style.page():
        figure = canvas(ax, 1 if len(names) == 1 else 2, panels.height * down + 0.3)
        grid = figure.subplots(down, across, squeeze=False, sharex=panels.shared_x)
        for place, axes in enumerate(grid.flat):
            if place >= len(names):
                axes.set_axis_off()
                continue
            rows = curves[curves["panel"] == names[place]]
            _draw_panel(axes, rows, names[place], panels, colours)
            if isinstance(panels.x_label, Mapping) or place + across >= len(names):
                axes.set_xlabel(_of(panels.x_label, names[place]))
                axes.tick_params(labelbottom=True)  # also above a place that stays empty
            if isinstance(panels.y_label, Mapping) or place % across == 0:
                axes.set_ylabel(_of(panels.y_label, names[place]))
        _share(grid, names, panels)
        figure.align_ylabels(grid)
        words.head_line(figure, panels.title, _about(curves, panels))
        style.add_legend(figure, _key(curves, panels, colours), beside=False)
    return whole(figure)


def _share(grid: NDArray[Any], names: Sequence[str], panels: Panels) -> None:
    """Gives all panels that show one quantity one axis; an empty label is that of the panel before, in its row."""
    groups: dict[tuple[str, Scale, int], list[Axes]] = {}
    label, across = "", grid.shape[1]
    for place, name in enumerate(names):
        axes: Axes = grid.flat[place]
        label = _of(panels.y_label, name) or ("" if place % across == 0 else label)
        row = place // across if panels.own_rows else 0
        groups.setdefault((label, _of(panels.y_scale, name), row), []).append(axes)
    for group in groups.values():
        style.share_limits(group)


def _about(curves: pd.DataFrame, panels: Panels) -> str:
    """Returns what stands above: tasks, checkpoints and prompts of what was measured, and what a band is."""
    shown = _shown(curves, panels)
    measured = shown[shown["source"] == "measured"]
    tasks, models, prompts = (measured[name].dropna() if name in measured else None for name in TOLD)
    bands = panels.band_name if shown["low"].notna().any() else "no bands"
    bands += f"; {OWN_ROWS}" if panels.own_rows else ""
    named = [[] if column is None else map(str, column) for column in (tasks, models)]
    return words.told(named[0], named[1], prompts, bands if "band" in bands else f"bands: {bands}")


def _of(each: Text | Mapping[str, Text], name: str) -> Text:
    """Returns what is said of a panel, or of all."""
    return each[name] if isinstance(each, Mapping) else each


def _check(curves: pd.DataFrame, panels: Panels) -> None:
    missing = [name for name in CURVE_COLUMNS if name not in curves.columns]
    if missing:
        raise ProbeError(f"The curves lack {', '.join(missing)}, but a row needs {', '.join(CURVE_COLUMNS)}. Add them.")
    for source in curves["source"].unique():
        if source not in LOOKS:
            hint = suggest(str(source), list(LOOKS))
            raise ProbeError(f"No source is called {source!r}. {hint}Sources: {', '.join(LOOKS)}.")
    if not curves["panel"].isin(list(panels.titles)).any():
        raise ProbeError(
            f"No curve lies in a panel that is drawn: {', '.join(panels.titles)}. Name the curves' panels."
        )


def _shown(curves: pd.DataFrame, panels: Panels) -> pd.DataFrame:
    shown: pd.DataFrame = curves[curves["panel"].isin(list(panels.titles))]
    return shown


def _colours(curves: pd.DataFrame, panels: Panels) -> dict[str, str]:
    """Returns a colour a series: greys for references, for the rest those asked for, then those left."""
    names = list(dict.fromkeys(map(str, _shown(curves, panels)["series"])))
    found = {name: SHADES[place % len(SHADES)] for place, name in enumerate(panels.references)}
    found |= {name: COLOURS[place] for name, place in panels.colours.items()}
    left = [colour for colour in COLOURS if colour not in found.values()] or list(COLOURS)
    rest = [name for name in names if name not in found]
    return found | {name: left[place % len(left)] for place, name in enumerate(rest)}


def _marker(name: str, colours: Mapping[str, str]) -> str:
    colour = colours[name]
    return MARKERS[COLOURS.index(colour)] if colour in COLOURS else SHADE_MARKERS[SHADES.index(colour)]


def _draw_panel(axes: Axes, rows: pd.DataFrame, name: str, panels: Panels, colours: Mapping[str, str]) -> None:
    if panels.x_scale == "log":
        axes.set_xscale("log")
        if rows["x"].min() >= PLAIN:
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axes.xaxis.set_minor_formatter(LogFormatter())  # of less than a decade, where no power of ten may lie
    log = _of(panels.y_scale, name) == "log"
    if log:
        style.log_errors(axes, *panels.limits.get(name, _limits(rows, panels.references, panels.levels.get(name))))
        axes.yaxis.set_minor_formatter(NullFormatter())
    elif name in panels.limits:
        axes.set_ylim(*panels.limits[name])
    if name in panels.levels:
        axes.axhline(panels.levels[name], color="black", linewidth=LEVEL_WIDTH, zorder=1)
    for place, x in enumerate(panels.marks.values()):
        axes.axvline(x, color=style.GREY, linewidth=0.8, linestyle=(":", "-.")[place % 2], zorder=1)
    for (series, source, _), curve in rows.groupby(["series", "source", "run"], sort=False):
        _draw_curve(axes, curve.sort_values("x"), str(source), str(series), colours, log)
    axes.set_label(name)
    axes.set_title(panels.titles[name], loc="left", fontsize=7.5)
    axes.grid(True, axis="y", which="major")
    single = rows.groupby(["series", "source", "run"]).size().eq(1).all()
    axes.margins(x=0.06 if single else 0.02)  # a mark is as wide as it is high, and stands at no edge
    if panels.x_scale == "linear" and len(rows) > 1 and (rows["x"] % 1 == 0).all():
        style.whole_numbers(axes)


def _draw_curve(axes: Axes, curve: pd.DataFrame, source: str, name: str, colours: Mapping[str, str], log: bool) -> None:
    look = LOOKS[source]
    x, value = curve["x"].to_numpy(dtype=np.float64), curve["value"].to_numpy(dtype=np.float64)
    if log:
        # a learner that errs by nothing but rounding leaves the axis at the bottom
        value = np.maximum(value, axes.get_ylim()[0] * 1e-3)
    marker = _marker(name, colours) if look.marked else ""
    axes.plot(
        x,
        value,
        color=colours[name],
        linestyle=look.line,
        linewidth=look.width,
        marker=marker,
        markevery=-(-len(curve) // MARKED),
        markersize=3.0,
        zorder=look.order,
        label=name,
        gid=source,
    )
    low, high = curve["low"].astype("float64"), curve["high"].astype("float64")
    if len(curve) == 1:
        axes.vlines(x, low, high, color=colours[name], linewidth=0.9, zorder=look.order)
    elif low.notna().all() and high.notna().all():
        alpha = 0.14 if look.marked else 0.1
        axes.fill_between(x, low, high, color=colours[name], alpha=alpha, linewidth=0, zorder=look.order)


def _limits(rows: pd.DataFrame, references: Sequence[str], level: float | None) -> tuple[float, float]:
    """Returns limits around the curves, of references those near the others, and at most `CEILING` above the level.

    Bands are seen as far as `BAND` beyond the lowest and the highest value.
    """
    own = rows[~rows["series"].isin(list(references))]
    values, models = _positive(rows["value"]), _positive(own["value"])
    lowest = float((models if models.size else values).min(initial=1.0 if level is None else level))
    top = float(values.max(initial=lowest)) if level is None else level * CEILING
    seen = values[(values >= lowest / REACH) & (values <= top)]
    least, most = float(seen.min(initial=lowest)), float(seen.max(initial=level or lowest))
    lows, highs = (_positive(own[end]) for end in ("low", "high"))
    bottom = max(float(lows.min(initial=least)), least / BAND)
    above = min(float(highs.max(initial=most)), most * BAND, max(top, most))
    return min(bottom / 1.06, least / 1.7), max(above * 1.06, most * 1.7)


def _positive(column: pd.Series[float]) -> Numbers:
    values = column.to_numpy(dtype=np.float64)
    return np.asarray(values[np.isfinite(values) & (values > 0)])


def _key(curves: pd.DataFrame, panels: Panels, colours: Mapping[str, str]) -> list[Artist]:
    shown = _shown(curves, panels)
    present = set(map(str, shown["series"]))
    marked = set(map(str, shown.loc[shown["source"] == "measured", "series"]))
    handles: list[Artist] = [
        style.key_line(name, colour, marker=_marker(name, colours) if name in marked else "")
        for name, colour in colours.items()
        if name in present
    ]
    sources = [source for source in LOOKS if (shown["source"] == source).any()]
    if len(sources) > 1 or panels.sources:
        handles += [style.key_line(panels.sources.get(source, source), line=LOOKS[source].line) for source in sources]
    if shown["low"].notna().any():
        handles.append(Patch(facecolor=style.GREY, alpha=0.3, linewidth=0, label=panels.band_name))
    if panels.levels:
        level = style.key_line(panels.level_name, "black")
        level.set_linewidth(LEVEL_WIDTH)
        handles.append(level)
    lines: tuple[Line, ...] = (":", "-.")
    return [*handles, *(style.key_line(name, line=lines[i % 2]) for i, name in enumerate(panels.marks))]
