"""Pictures of the evidence for and against a model that improves an answer step by step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from probe.errors import ProbeError
from probe.plots import style, words
from probe.plots.canvas import whole
from probe.plots.rows import Part, begin, each_model, lacking, part_of
from probe.plots.style import USUAL, Line, View
from probe.records import Record, with_dtypes

CURVES: dict[str, tuple[str, str, Line, str]] = {
    "linear": ("refitted at every layer", style.COLOURS[0], "-", "o"),
    "frozen": ("the last layer's head, frozen", style.COLOURS[1], "--", "s"),
    "lens": ("the model's own read-out (lens)", style.COLOURS[2], "-.", "^"),
}
NULLS: dict[str, tuple[str, Line]] = {
    "untrained": ("untrained model", (0, (1, 1))),
    "fixed_function": ("trained on one fixed function", (0, (5, 1, 1, 1))),
    "shuffled_targets": ("another prompt's targets", (0, (3, 1, 1, 1, 1, 1))),
}
FLOOR = 1e-4
"""Errors below this lie on the lower edge: a planted solver's are rounding."""
CEILING = 5.0
FINAL = "final_answer"
SIMILARITIES: dict[str, tuple[str, Line]] = {
    "similarity_errors": ("errors (SimE)", "-"),
    "similarity_weights": ("weights (SimW)", "--"),
}
SHARES = {
    "unexplained": "answers (SPD)",
    "unexplained_weights": "induced weights (ILWD)",
    "unexplained_well": "answers, best conditioned third",
    "unexplained_ill": "answers, worst conditioned third",
}
EXPLAINED = (
    "SimE, SimW: cosine similarity of errors, of induced weights. SPD: squared difference of predictions. ILWD: "
    "squared difference of the linear weights that the answers induce. GD: gradient descent. GD++: on "
    "transformed inputs."
)
"""The abbreviations, in words."""
SHADES = ("black", "#4d4d4d", "#707070", "#929292")
BESIDE = 32
"""Letters of the longest entry of a legend that leave room for another beside it."""
TICK = 10
"""Letters of a line beneath a tick, of which four stand beside one another."""
SHOWN = 4
"""Algorithms drawn, the closest first."""


def claim_figure(records: Sequence[Record], view: View = USUAL) -> Figure:
    """Draws a claim's evidence, a part a model: curves with nulls, the transfer matrix, the closest algorithms."""
    style.check_view(view, "a picture of a claim", "ax")
    if not records:
        raise ProbeError("No record was given, but a picture of a claim needs one. Give the .csv of probe claim.")
    if len(records) != 1 or records[0].provenance.get("kind") != "claim":
        raise ProbeError("A picture of a claim needs one record of probe claim. Give its .csv alone.")
    table = with_dtypes(records[0].table)
    error = words.error_label([words.unit(records[0])])
    figure, without = each_model(partial(draw_claim, error=error), table, part_of(view))
    with style.page():
        drawn = table.loc[table["evidence"].isin(list(PANELS)), "prompts"]
        line = words.about(
            records, "bands: 95 % by prompt, of curves for all layers at once, else each point's own", drawn
        )
        line = lacking(line, without)
        explained = bool((table["evidence"] == "matching").any())
        words.head_line(figure, view.title, f"{line}. {EXPLAINED}" if explained else line)
    return whole(figure)


def draw_claim(
    table: pd.DataFrame, title: str | None = None, part: Part = None, error: str = style.ERROR_LABEL
) -> Figure:
    """Draws one model's curves, transfer and closest algorithms, as far as there are any.

    Args:
        table: rows of a record of evidence.
        title: a line above the picture.
        part: of a page, to draw into; by default a page of its own.
        error: what an axis of errors is called.
    """
    there = set(table["evidence"])
    draws = [draw for evidence, drawn in PANELS.items() if evidence in there for draw in drawn]
    if not draws:
        raise ProbeError(f"The record holds none of {', '.join(PANELS)}, which this picture is drawn from.")
    with style.page():
        down = -(-len(draws) // 2)
        figure = begin(part, 2, 2.9 * down, title)
        panels = figure.subplots(down, 2, squeeze=False)
        for draw, axes in zip(draws, panels.flat, strict=False):
            draw(axes, table)
        panels.flat[0].set_ylabel(error)
        for axes in panels.flat[len(draws) :]:
            axes.remove()
    return whole(figure)


def draw_curves(axes: Axes, table: pd.DataFrame) -> None:
    """Draws the error by layer of every head, and of the nulls in grey."""
    rows = table[table["metric"] == "error"]
    for head, (label, colour, line, marker) in CURVES.items():
        one = rows[(rows["evidence"] == "curve") & (rows["head"] == head)].sort_values("layer")
        _line(axes, one, label, colour, line, marker)
    last = rows.loc[rows["evidence"] == "curve", "layer"].max()
    for site, (label, line) in NULLS.items():
        one = rows[(rows["evidence"] == "nulls") & (rows["site"] == site)].sort_values("layer")
        if len(one) and one["layer"].max() != last:
            one = one.assign(layer=one["layer"] * (last / one["layer"].max()))  # a null of another depth
        _line(axes, one, label, style.GREY, line, "")
    axes.axhline(1.0, color="black", linewidth=0.6)
    values = rows.loc[rows["evidence"] == "curve", "value"].clip(FLOOR, CEILING)
    style.log_errors(axes, max(float(values.min()) / 1.5, FLOOR / 1.5), CEILING)
    axes.set_xlabel(style.X_LABELS["layer"])
    axes.set_ylabel(style.ERROR_LABEL)
    style.whole_numbers(axes)
    _key(axes)
    axes.set_title("error by layer", loc="left")


def _line(axes: Axes, rows: pd.DataFrame, label: str, colour: str, line: Line, marker: str) -> None:
    if rows.empty:
        return
    at = rows["layer"].to_numpy(dtype="float64")
    low, high = rows["low"].clip(lower=FLOOR / 10), rows["high"]
    style.draw_band(axes, at, low, high, colour)
    axes.plot(at, rows["value"].clip(lower=FLOOR), color=colour, linestyle=line, marker=marker, label=label)


def _key(axes: Axes) -> None:
    """Sets the legend beneath the axes, where it covers no data."""
    longest = max((len(label) for label in axes.get_legend_handles_labels()[1]), default=0)
    across = 1 if longest > BESIDE else 2
    axes.legend(loc="upper left", bbox_to_anchor=(-0.12, -0.2), fontsize=6, ncols=across)


def draw_transfer(axes: Axes, table: pd.DataFrame) -> None:
    """Draws the error of every layer's head, upwards, at every layer, to the right."""
    rows = table[table["evidence"] == "transfer"]
    grid = rows.pivot_table(index="layer", columns="other_layer", values="value")
    values = grid.to_numpy(dtype="float64").clip(1e-3, CEILING)
    mesh = axes.pcolormesh(values, cmap="viridis", norm=LogNorm(min(values.min(), 0.1), CEILING), linewidth=0)
    places = np.unique(np.linspace(0, len(grid) - 1, 5).round().astype(int))
    axes.set_xticks(places + 0.5, [str(place) for place in places])
    axes.set_yticks(places + 0.5, [str(place) for place in places])
    axes.set_xlabel("layer it is applied at")
    axes.set_ylabel("layer the head was fitted at")
    axes.set_title("one layer's head at another", loc="left")
    figure = axes.get_figure()
    assert figure is not None
    figure.colorbar(mesh, ax=axes, pad=0.02).set_label("normalised error")


def _closest(table: pd.DataFrame) -> list[str]:
    """Returns the algorithms that come closest to the refitted heads' answers, the best first.

    Their order is that on the selection prompts, by which a criterion names one; of records that do not hold it, that
    of the distances drawn.
    """
    rows = table[(table["evidence"] == "matching") & (table["head"] == "linear")]
    ranks = rows[rows["metric"] == "rank"].set_index("site")["value"]
    distances = rows[(rows["metric"] == "spd") & (rows["site"] != FINAL)].groupby("site")["value"].sum()
    order = ranks if len(ranks) else distances
    return [str(site) for site in order.sort_values().index[:SHOWN]]


def draw_distances(axes: Axes, table: pd.DataFrame) -> None:
    """Draws how far the closest algorithms' steps, scaled, are from the layers' answers, and the null."""
    rows = table[(table["evidence"] == "matching") & (table["head"] == "linear") & (table["metric"] == "spd")]
    for place, site in enumerate(_closest(table)):
        one = rows[rows["site"] == site].sort_values("layer")
        _line(axes, one, style.name(site), style.SECOND[place], "-", style.MARKERS[place])
    _line(axes, rows[rows["site"] == FINAL].sort_values("layer"), "the final answer (null)", "black", "--", "")
    style.log_errors(axes, FLOOR, 1.0)
    axes.set_xlabel(style.X_LABELS["layer"])
    axes.set_ylabel("squared difference / that of predicting zero")
    style.whole_numbers(axes)
    _key(axes)
    axes.set_title("distance to an algorithm's best step", loc="left")


def draw_steps(axes: Axes, table: pd.DataFrame) -> None:
    """Draws which step of the closest algorithms matches each layer."""
    rows = table[(table["evidence"] == "matching") & (table["head"] == "linear") & (table["metric"] == "spd")]
    for place, site in enumerate(_closest(table)):
        one = rows[(rows["site"] == site) & (rows["layer"] > 0)].sort_values("layer")
        axes.plot(
            one["layer"].to_numpy(dtype="float64"),
            one["step"].to_numpy(dtype="float64"),
            color=style.SECOND[place],
            marker=style.MARKERS[place],
            label=style.name(site),
        )
    axes.set_yscale("symlog", linthresh=8)
    axes.set_ylim(0, 1.2 * max(float(rows["step"].max()), 8.0))
    ticks = [tick for tick in (0, 2, 4, 8, 16, 32, 64) if tick <= max(axes.get_ylim()[1], 8)]
    axes.set_yticks(ticks, [str(tick) for tick in ticks])
    axes.set_xlabel(style.X_LABELS["layer"])
    axes.set_ylabel("best-matching step")
    style.whole_numbers(axes)
    _key(axes)
    axes.set_title("matching line", loc="left")


def draw_similarities(axes: Axes, table: pd.DataFrame) -> None:
    """Draws the mean cosines of errors (SimE) and of induced weights (SimW) with the closest algorithm's steps."""
    rows = table[(table["evidence"] == "matching") & (table["head"] == "linear")]
    for place, site in enumerate(_closest(table)[:2]):
        for metric, (label, line) in SIMILARITIES.items():
            one = rows[(rows["site"] == site) & (rows["metric"] == metric) & (rows["layer"] > 0)].sort_values("layer")
            axes.plot(
                one["layer"].to_numpy(dtype="float64"),
                one["value"].to_numpy(dtype="float64"),
                color=style.SECOND[place],
                marker=style.MARKERS[place],
                markerfacecolor=style.SECOND[place] if line == "-" else "white",
                linestyle=line,
                label=f"{style.name(site)}, {label}",
            )
    lowest = [float(np.nanmin(line.get_ydata())) for line in axes.get_lines() if np.isfinite(line.get_ydata()).any()]
    axes.set_ylim(min(-0.05, *lowest, 0.0) - 0.02, 1.05)
    axes.set_xlabel(style.X_LABELS["layer"])
    axes.set_ylabel("mean cosine with the best step")
    style.whole_numbers(axes)
    _key(axes)
    axes.set_title("similarity (shown, not judged)", loc="left")


def draw_unexplained(axes: Axes, table: pd.DataFrame) -> None:
    """Draws what the closest algorithms leave of the null's distance, of answers and weights and by conditioning."""
    rows = table[(table["evidence"] == "matching") & (table["head"] == "linear")]
    sites = _closest(table)
    for place, (metric, label) in enumerate(SHARES.items()):
        one = rows[rows["metric"] == metric].set_index("site").reindex(sites)
        at = np.arange(len(sites)) + 0.18 * (place - (len(SHARES) - 1) / 2)
        value = one["value"].to_numpy(dtype="float64")
        ends = np.clip([value - one["low"], one["high"] - value], 0, None)
        axes.errorbar(at, value, yerr=ends, linestyle="", color=SHADES[place], marker=style.MARKERS[place], label=label)
    axes.axhline(1.0, color="black", linewidth=0.6, linestyle="--")
    axes.set_ylim(0, None)
    names = [fill(style.name(site), TICK, break_long_words=False) for site in sites]
    axes.set_xticks(range(len(sites)), names, fontsize=6)
    axes.set_ylabel("left of the final answer's distance")
    _key(axes)
    axes.set_title("what an algorithm leaves unexplained", loc="left")


PANELS: dict[str, tuple[Callable[[Axes, pd.DataFrame], None], ...]] = {
    "curve": (draw_curves,),
    "transfer": (draw_transfer,),
    "matching": (draw_distances, draw_steps, draw_similarities, draw_unexplained),
}
"""What is drawn of each kind of evidence."""
