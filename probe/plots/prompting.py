"""What probe evaluate measured: error against the number of examples, one panel a prompting style."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from probe.errors import ProbeError
from probe.plots import style
from probe.plots.style import USUAL, Line, View
from probe.records import Record, tidy

LINES: tuple[Line, ...] = ((0, (4, 1.5)), (0, (1, 1)), (0, (5, 1, 1, 1)), (0, (3, 1, 1, 1, 1, 1)), "-.", ":")
SHADES = ("black", "#555555", "#999999")
ACROSS = 3
REACH = 30.0
"""A learner further than this below every model leaves its panel at the bottom."""
CEILING = 30.0
"""The tallest error a panel shows: beyond it a curve leaves at the top."""


@dataclass(frozen=True, eq=False)
class Panel:
    """One prompting style: its rows, and the longest context any model was trained with."""

    name: str
    table: pd.DataFrame
    trained: int | None


def prompting_curves(records: Sequence[Record], view: View = USUAL) -> Figure:
    """Draws the models in colour and the learners in grey against the number of examples.

    Bands are pointwise 95 %, by prompt. A dotted vertical line marks the longest context in training.
    """
    style.check_view(view, "a picture of prompting styles")
    panels = _panels(records)
    models = list(dict.fromkeys(name for one in panels for name in _own(one.table)["model"]))
    learners = list(dict.fromkeys(name for one in panels for name in one.table["head"] if name != "model"))
    across = min(ACROSS, len(panels))
    down = -(-len(panels) // across)
    with style.page():
        figure = style.new_figure(1 if len(panels) == 1 else 2, 2.3 * down + 0.2, view.title)
        grid = figure.subplots(down, across, squeeze=False)
        for place, axes in enumerate(grid.flat):
            if place < len(panels):
                _draw_panel(axes, panels[place], models, learners)
            else:
                axes.set_axis_off()
        for axes in grid[:, 0]:
            axes.set_ylabel("normalised error\n(1 = knowing nothing)")
        for place in range(len(panels)):
            if place + across >= len(panels):
                grid.flat[place].set_xlabel("examples in context")
        style.add_legend(figure, _key(panels, models, learners))
    return figure


def _panels(records: Sequence[Record]) -> list[Panel]:
    if not records:
        raise ProbeError("No record was given, but a picture of prompting styles needs one. Give that of evaluate.")
    panels = []
    for record in records:
        if "prompting" not in record.table.columns or record.table.empty:
            kind = record.provenance.get("kind", "another kind")
            raise ProbeError(
                f"A record of {kind} was given, but a picture of prompting styles needs one of evaluate. Give its .csv."
            )
        models = (record.provenance.get("models") or {}).values()
        trained = [int(about["context"]) for about in models if about.get("context")]
        for name, table in tidy(record.table).groupby("prompting", sort=False):
            panels.append(Panel(str(name), table, max(trained, default=None)))
    return panels


def _own(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["head"] == "model"]


def _draw_panel(axes: Axes, panel: Panel, models: Sequence[str], learners: Sequence[str]) -> None:
    bottom, top = _limits(panel)
    style.log_errors(axes, bottom, top)
    axes.axhline(1.0, color="black", linewidth=0.7, zorder=1)
    if panel.trained is not None and panel.table["context"].max() > panel.trained:
        axes.axvline(panel.trained, color=style.GREY, linewidth=0.8, linestyle=":", zorder=1)
    for place, name in enumerate(learners):
        rows = panel.table[panel.table["head"] == name].drop_duplicates("context").sort_values("context")
        shown = np.maximum(rows["error"].to_numpy(dtype=np.float64), bottom * 1e-3)
        axes.plot(rows["context"], shown, color=_shade(place), linestyle=_line(place), linewidth=1.0, zorder=2)
    for place, name in enumerate(models):
        rows = _own(panel.table)
        rows = rows[rows["model"] == name].sort_values("context")
        contexts = rows["context"].to_numpy(dtype=np.float64)
        style.draw_band(axes, contexts, rows["low"], rows["high"], _colour(place))
        marker = _marker(place) if len(rows) <= 25 else ""
        axes.plot(contexts, rows["error"], color=_colour(place), marker=marker, linestyle=_model_line(place), zorder=3)
    _lay(axes, panel)
    axes.set_title(style.shown(panel.name.replace("_", " ")), loc="left", fontsize=7.5)


def _lay(axes: Axes, panel: Panel) -> None:
    """Spaces contexts evenly up to fifty, and by powers of two beyond."""
    last = int(panel.table["context"].max())
    if last <= 50:
        style.whole_numbers(axes)
        return
    axes.set_xscale("symlog", base=2, linthresh=1)
    ticks = [0, *(2**power for power in range(0, 20, 2) if 2**power <= last)]
    axes.set_xticks(ticks)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f}"))
    axes.xaxis.set_minor_locator(NullLocator())


def _limits(panel: Panel) -> tuple[float, float]:
    own = _own(panel.table)["error"].dropna()
    others = panel.table.loc[panel.table["head"] != "model", "error"].dropna()
    lowest = float(own[own > 0].min()) if (own > 0).any() else 1e-2
    near = others[(others > lowest / REACH)]
    bottom = min(lowest, float(near.min()) if len(near) else lowest) / 1.7
    highest = max(1.0, float(own.max()) if len(own) else 1.0, float(near.max()) if len(near) else 1.0)
    return bottom, min(highest, CEILING) * 1.7


def _colour(place: int) -> str:
    return style.COLOURS[place % len(style.COLOURS)]


def _marker(place: int) -> str:
    return style.MARKERS[place % len(style.MARKERS)]


def _model_line(place: int) -> Line:
    return ("-", "--", "-.")[place // len(style.COLOURS) % 3]


def _shade(place: int) -> str:
    return SHADES[place % len(SHADES)]


def _line(place: int) -> Line:
    return LINES[place % len(LINES)]


def _key(panels: Sequence[Panel], models: Sequence[str], learners: Sequence[str]) -> list[Artist]:
    few = all(len(_own(one.table)) <= 25 * len(models) for one in panels)
    handles: list[Artist] = [
        style.key_line(name, _colour(i), _model_line(i), _marker(i) if few else "") for i, name in enumerate(models)
    ]
    handles += [style.key_line(style.name(name), _shade(i), _line(i)) for i, name in enumerate(learners)]
    handles += [style.key_band(), style.key_line("knowing nothing", "black")]
    if any(one.trained is not None and one.table["context"].max() > one.trained for one in panels):
        handles.append(style.key_line("longest context in training", line=":"))
    return handles
