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
from probe.plots import style, words
from probe.plots.canvas import canvas, whole
from probe.plots.style import USUAL, Line, View
from probe.records import METRICS, Record, with_dtypes

LINES: tuple[Line, ...] = ((0, (4, 1.5)), (0, (1, 1)), (0, (5, 1, 1, 1)), (0, (3, 1, 1, 1, 1, 1)), "-.", ":")
SHADES = ("black", "#555555", "#8c8c8c")
BAND = ("_low", "_high")
ACROSS = 3
REACH = 30.0
"""A learner further than this below every model leaves its panel at the bottom."""
CEILING = 30.0
"""The tallest error a panel shows: beyond it a curve leaves at the top."""


@dataclass(frozen=True, eq=False)
class Panel:
    """One prompting style and quantity: its rows, and the longest context any model was trained with."""

    name: str
    table: pd.DataFrame
    trained: int | None
    unit: str
    quantity: str = "error"

    @property
    def label(self) -> str:
        """What the y axis holds."""
        return words.error_label([self.unit]) if self.quantity == "error" else METRICS[self.quantity]


def prompting_curves(records: Sequence[Record], view: View = USUAL) -> Figure:
    """Draws the models in colour and the learners in grey against the number of examples.

    A panel a prompting style, and one more for every further metric that its rows have; errors share one axis. Bands
    are pointwise 95 %, by prompt. A dotted vertical line marks the longest context in training.
    """
    style.check_view(view, "a picture of prompting styles", "ax")
    panels = _panels(records)
    models = list(dict.fromkeys(name for one in panels for name in _own(one.table)["model"]))
    learners = list(dict.fromkeys(name for one in panels for name in one.table["head"] if name != "model"))
    across = min(ACROSS, len(panels))
    down = -(-len(panels) // across)
    bottom, top = _limits(panels)
    with style.page():
        figure = canvas(view.ax, 1 if len(panels) == 1 else 2, 2.3 * down + 0.2)
        grid = figure.subplots(down, across, squeeze=False)
        for place, axes in enumerate(grid.flat):
            if place < len(panels):
                _draw_panel(axes, panels[place], models, learners, bottom, top)
            else:
                axes.set_axis_off()
        for place, panel in enumerate(panels):
            if place % across == 0 or panel.label != panels[place - 1].label:
                grid.flat[place].set_ylabel(panel.label)
            if place + across >= len(panels):
                grid.flat[place].set_xlabel(words.contexts(records).axis)
        words.head_line(figure, view.title, words.about(records, words.POINTWISE))
        style.add_legend(figure, _key(panels, models, learners))
    return whole(figure)


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
        about = (record.provenance.get("models") or {}).values()
        trained = max([int(one["context"]) for one in about if one.get("context")], default=None)
        for name, table in with_dtypes(record.table).groupby("prompting", sort=False):
            panels.append(Panel(str(name), table, trained, words.unit(record)))
            panels += [
                Panel(str(name), table, trained, words.unit(record), metric)
                for metric in METRICS
                if metric in table.columns and table[metric].notna().any()
            ]
    return panels


def _own(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["head"] == "model"]


def _draw_panel(
    axes: Axes, panel: Panel, models: Sequence[str], learners: Sequence[str], bottom: float, top: float
) -> None:
    if panel.quantity == "error":
        style.log_errors(axes, bottom, top)
        axes.axhline(1.0, color="black", linewidth=0.7, zorder=1)
    else:
        bottom = 0.0
        axes.set_ylim(-0.02, 1.02)
        axes.grid(True, axis="y")
    if panel.trained is not None and panel.table["context"].max() > panel.trained:
        axes.axvline(panel.trained, color=style.GREY, linewidth=0.8, linestyle=":", zorder=1)
    for place, name in enumerate(learners):
        rows = panel.table[panel.table["head"] == name].drop_duplicates("context").sort_values("context")
        shown = np.maximum(rows[panel.quantity].to_numpy(dtype=np.float64), bottom * 1e-3)
        axes.plot(rows["context"], shown, color=_shade(place), linestyle=_line(place), linewidth=1.0, zorder=2)
    for place, name in enumerate(models):
        rows = _own(panel.table)
        rows = rows[rows["model"] == name].sort_values("context")
        contexts = rows["context"].to_numpy(dtype=np.float64)
        low, high = ("low", "high") if panel.quantity == "error" else (f"{panel.quantity}{end}" for end in BAND)
        style.draw_band(axes, contexts, rows[low], rows[high], _colour(place))
        marker = _marker(place) if len(rows) <= 25 else ""
        shown = np.maximum(rows[panel.quantity].to_numpy(dtype=np.float64), bottom * 1e-3)
        axes.plot(contexts, shown, color=_colour(place), marker=marker, linestyle=_model_line(place), zorder=3)
    _lay(axes, panel)
    axes.set_title(words.text(panel.name.replace("_", " ")), loc="left", fontsize=7.5)


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


def _limits(panels: Sequence[Panel]) -> tuple[float, float]:
    """Returns the limits of every panel of errors: they are compared, and so share one axis."""
    each = [_own_limits(panel) for panel in panels if panel.quantity == "error"]
    return min(low for low, _ in each), max(high for _, high in each)


def _own_limits(panel: Panel) -> tuple[float, float]:
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
        style.key_line(words.text(name), _colour(i), _model_line(i), _marker(i) if few else "")
        for i, name in enumerate(models)
    ]
    handles += [style.key_line(style.name(name), _shade(i), _line(i)) for i, name in enumerate(learners)]
    handles += [style.key_band(), style.key_line(" or ".join(dict.fromkeys(one.unit for one in panels)), "black")]
    if any(one.trained is not None and one.table["context"].max() > one.trained for one in panels):
        handles.append(style.key_line("longest context in training", line=":"))
    return handles
