"""What probe compare measured: layer curves on one axis of depth, and ratios of errors with paired bands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import NullFormatter

from probe.errors import ProbeError
from probe.plots import style, words
from probe.plots.canvas import canvas, whole
from probe.plots.style import USUAL, View
from probe.records import Record, with_dtypes
from probe.records.reading import prompts_of

AXES = {
    "blocks": "share of blocks up to the layer",
    "parameters": "share of parameters up to the layer",
    "flops": "share of FLOPs up to the layer",
}


STYLES = {"post": "steps-post", None: "default"}
"""How a line is drawn whose band has this step."""

FURTHER = ("#882255", "#999933", "#555555")
"""Colours of pairs where checkpoints have taken the others."""
SHOWN = len(style.COLOURS)
"""Of more pairs than there are colours, those with the first checkpoint are drawn; the table holds all."""


def comparison(records: Sequence[Record], view: View = USUAL) -> Figure:
    """Draws the layer curves of the compared checkpoints, and ratios of errors by depth and by context.

    Where the record compares sides of several training seeds, the ratios are those of the sides, with their bands over
    seeds, and thin lines of the single pairs; a side has one colour. Else every pair has a ratio with its simultaneous
    95 % band, over prompts and a panel's points.
    """
    style.check_view(view, "a comparison", "ax")
    if not records:
        raise ProbeError("No record was given, but a comparison is drawn from one. Give the .csv of probe compare.")
    if len(records) != 1 or "ratio" not in records[0].table.columns:
        raise ProbeError("A comparison is drawn from one record of probe compare. Give its .csv alone.")
    record = records[0]
    table, models = with_dtypes(record.table), dict(record.provenance.get("models") or {})
    over_seeds = _over_seeds(table)
    lines, thin = _sides(table, over_seeds, models) if len(over_seeds) else (_pairs(table), [])
    with style.page():
        figure = canvas(view.ax, 2, 2.6)
        curves, layers, contexts = figure.subplots(1, 3)
        colours = _colours(models, over_seeds)
        own = _pair_colours(colours)
        _draw_curves(curves, models, colours, _axis(record))
        context = int(table.loc[table["quantity"].eq("layer"), "context"].max())
        head = style.name(str(words.setting(record, "head") or "head"))
        curves.set_title(f"{head}, {words.contexts(records).at(context)}", loc="left", fontsize=7.5)
        curves.set_ylabel(words.error_label([words.unit(record)]))
        for axes, quantity, x, step in ((layers, "layer", "depth", "post"), (contexts, "own", "context", None)):
            for pair in thin:
                _draw_ratio(axes, pair[pair["quantity"] == quantity], x, None, step)
            for place, pair in enumerate(lines.values()):
                _draw_ratio(axes, pair[pair["quantity"] == quantity], x, own[place % len(own)], step)
        limits = [end for axes in (layers, contexts) for end in _spanned(axes)]
        _finish_ratios(layers, limits, AXES.get(_axis(record), "depth"), "ratio of the head's errors")
        _finish_ratios(contexts, limits, words.contexts(records).axis, "ratio of the models' own errors")
        style.whole_numbers(contexts)
        band = "over seeds, each point's own" if len(over_seeds) else "by prompt, for all points of a panel at once"
        _, scored = prompts_of(record)
        prompts = pd.Series([] if scored is None else [scored], dtype="float64")
        words.head_line(figure, view.title, words.about([record], f"bands: 95 %, {band}", prompts))
        style.add_legend(
            figure,
            _key(models, colours, dict(zip(lines, own * len(lines), strict=False)), bool(thin), words.unit(record)),
        )
    return whole(figure)


def _over_seeds(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["band"] == "seeds"] if "band" in table.columns else table.iloc[:0]


def _pairs(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Returns every pair's rows by its name, or those of the first checkpoint's pairs where there are many."""
    pairs = dict(list(table.groupby(["model", "other"], sort=False)))
    first = table["model"].iloc[0]
    kept = pairs if len(pairs) <= SHOWN else {names: rows for names, rows in pairs.items() if names[0] == first}
    return {f"{name} / {other}": rows for (name, other), rows in kept.items()}


def _sides(
    table: pd.DataFrame, over_seeds: pd.DataFrame, models: dict[str, Any]
) -> tuple[dict[str, pd.DataFrame], list[pd.DataFrame]]:
    """Returns the sides' rows by name, and the rows of the single pairs of two sides."""
    sides = {f"{a} / {b}": rows for (a, b), rows in over_seeds.groupby(["model", "other"], sort=False)}
    single = table[table["band"] != "seeds"]
    side = {name: _side(about) for name, about in models.items()}
    pairs = single.groupby(["model", "other"], sort=False)
    return sides, [rows for (a, b), rows in pairs if side.get(str(a)) != side.get(str(b))]


def _side(about: dict[str, Any]) -> str:
    return str(about.get("arch") or about.get("layout"))


def _colours(models: dict[str, Any], over_seeds: pd.DataFrame) -> dict[str, str]:
    """Returns a colour a checkpoint, or a side where sides are compared."""
    sides = [_side(about) if len(over_seeds) else name for name, about in models.items()]
    order = list(dict.fromkeys(sides))
    return {name: style.COLOURS[order.index(side) % SHOWN] for name, side in zip(models, sides, strict=True)}


def _axis(record: Record) -> str:
    config = record.provenance.get("config")
    return str(config.get("depth", "blocks") if isinstance(config, dict) else getattr(config, "depth", "blocks"))


def _draw_curves(axes: Axes, models: dict[str, Any], colours: dict[str, str], axis: str) -> None:
    errors = [error for about in models.values() for error in about["errors"] if error and error > 0]
    style.log_errors(axes, min(errors, default=1e-2) / 1.7, max(1.0, *errors) * 1.7)
    axes.axhline(1.0, color="black", linewidth=0.7, zorder=1)
    for place, (name, about) in enumerate(models.items()):
        axes.plot(
            about["depths"],
            [np.nan if error is None else error for error in about["errors"]],
            color=colours[name],
            marker=style.MARKERS[place % len(style.MARKERS)],
        )
    axes.set_xlabel(AXES.get(axis, "depth"))


def _pair_colours(taken: dict[str, str]) -> list[str]:
    """Returns colours for pairs: none that a checkpoint has."""
    return [colour for colour in (*style.COLOURS, *FURTHER) if colour not in taken.values()]


def _spanned(axes: Axes) -> tuple[float, float]:
    """Returns the smallest and the largest positive value drawn, bands included."""
    values = [np.asarray(line.get_ydata(), dtype=np.float64) for line in axes.get_lines()]
    for band in axes.collections:
        values += [np.asarray(path.vertices)[:, 1] for path in band.get_paths()]
    every = np.concatenate([*values, np.ones(1)])
    every = every[np.isfinite(every) & (every > 0)]
    return float(every.min()), float(every.max())


def _draw_ratio(axes: Axes, rows: pd.DataFrame, x: str, colour: str | None, step: Any) -> None:
    """Draws a ratio with its band, or a thin grey one without where no colour is given."""
    rows = rows.sort_values(x)
    at = rows[x].to_numpy(dtype=np.float64)
    if colour is None:
        axes.plot(at, rows["ratio"], color=style.GREY, linewidth=0.5, alpha=0.8, drawstyle=STYLES[step])
        return
    # a band over seeds is each point's own, one over prompts is the panel's
    low, high = (rows[f"all_{end}"].fillna(rows[end]).to_numpy(dtype=np.float64) for end in ("low", "high"))
    axes.fill_between(at, low, high, color=colour, alpha=0.18, linewidth=0, step=step)
    axes.plot(at, rows["ratio"], color=colour, drawstyle=STYLES[step])


def _finish_ratios(axes: Axes, limits: Sequence[float], label: str, title: str) -> None:
    """Sets the axis that both panels of ratios share."""
    axes.axhline(1.0, color="black", linewidth=0.7, zorder=1)
    style.log_errors(axes, min(limits) / 1.1, max(limits) * 1.1)
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(label)
    axes.set_ylabel("ratio of errors (1 = equal errors)")
    axes.set_title(title, loc="left", fontsize=7.5)


def _key(
    models: dict[str, Any], colours: dict[str, str], pairs: dict[str, str], over_seeds: bool, unit: str
) -> list[Artist]:
    handles: list[Artist] = [
        style.key_line(
            f"{words.text(name)} ({style.count(int(about['blocks']), 'block')})",
            colours[name],
            marker=style.MARKERS[i % len(style.MARKERS)],
        )
        for i, (name, about) in enumerate(models.items())
    ]
    handles += [style.key_line(words.text(name, 100), colour) for name, colour in pairs.items()]
    if over_seeds:
        handles.append(style.key_line("the same, of two checkpoints"))
    what = "over seeds, of each point" if over_seeds else "over all points of a panel"
    band = Patch(facecolor=style.GREY, alpha=0.3, linewidth=0, label=f"95 % band, {what}")
    return [*handles, band, style.key_line(f"1: {unit}, or equal errors", "black")]
