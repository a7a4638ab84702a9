"""Draws how often criteria and the verdict of `probe claim` are right, and what other thresholds would give."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from probe.plots import style, words
from probe.plots.rows import panel_key

MARKERS = (*style.MARKERS, "X", "*")
COLOURS = (*style.COLOURS[2:], *style.SECOND[:2], *style.SECOND[4:])
"""Of thresholds: none of the bars' beside them, and no two greens."""
ABOUT = (
    "task linear; {all} models of which it is known whether they iterate (improve their answer block by block); "
    "{prompts} prompts; no bands. Left: the {kept} models kept aside; what is undecided counts as neither. Right: all "
    "models, a point a value of a threshold"
)


def picture(told: pd.DataFrame, table: pd.DataFrame, score: Iterable[int]) -> Figure:
    """Returns the picture of the rates, beside those that other thresholds would give the verdict.

    Args:
        told: the rates by half of the models and criterion, of which those kept aside to report are drawn.
        table: the rates of the verdict by threshold.
        score: how many prompts the models were measured on.
    """
    with style.page():
        figure = style.new_figure(2, 4.2, None)
        left, right = figure.subplots(1, 2, width_ratios=(4, 3))
        _rates(left, told[told["half"] == "report"].set_index("criterion").iloc[::-1])
        _thresholds(right, table)
        prompts = " or ".join(f"{number:,}" for number in sorted(set(score)))
        counts = {"all": _models(told, "both"), "kept": _models(told, "report"), "prompts": prompts}
        words.head_line(figure, None, ABOUT.format(**counts))
    return figure


def _models(told: pd.DataFrame, half: str) -> int:
    """Returns how many models the verdict was tested on."""
    rows = told[(told["half"] == half) & (told["criterion"] == "verdict")]
    return int(rows[["iterating", "impostors"]].to_numpy().sum())


def _rates(axes: Axes, kept: pd.DataFrame) -> None:
    """Draws two bars a criterion: how often it holds where it should, and fails where it should."""
    places = pd.RangeIndex(len(kept)).to_numpy()
    looks = (("sensitivity", "holds of those that iterate", 0.2), ("specificity", "fails of those that do not", -0.2))
    bars = [
        axes.barh(places + shift, kept[column], 0.36, color=style.COLOURS[place], label=label)
        for place, (column, label, shift) in enumerate(looks)
    ]
    axes.set_yticks(places, kept.index, fontsize=6.5)
    axes.set(xlim=(0, 1), xlabel="share of the models kept aside")
    panel_key(axes, bars, 2)


def _thresholds(axes: Axes, table: pd.DataFrame) -> None:
    """Draws a line a threshold that changes the verdict of any model, and the thresholds in use."""
    changing = [
        (f"{of}: {constant.lower().replace('_', ' ')}", part)
        for (of, constant), part in table.groupby(["of", "threshold"], sort=False)
        if len(part[["wrongly_holds", "sensitivity"]].drop_duplicates()) > 1
    ]
    for place, (name, part) in enumerate(changing):
        look = {"marker": MARKERS[place % len(MARKERS)], "color": COLOURS[place % len(COLOURS)], "linewidth": 0.8}
        axes.plot(part["wrongly_holds"], part["sensitivity"], label=name, **look)
    now = table[table["used"]].iloc[0]
    axes.plot(now["wrongly_holds"], now["sensitivity"], "o", mfc="none", mec="black", ms=8, label="in use")
    wrong, right = table["wrongly_holds"], table["sensitivity"]
    axes.set(xlim=(-0.02, wrong.max() + 0.15), ylim=(right.min() - 0.05, right.max() + 0.05))
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.grid(True)
    axes.set(xlabel="verdict supported, of those that do not", ylabel="verdict supported, of those that iterate")
    panel_key(axes, axes.get_lines(), 1)
