"""Reads the published numbers in published/ as curves for `probe.plots.curve_panels`.

What a paper printed has the source "published"; where that is known to be wrong, "misprinted", and the corrected
curve "published". published/README.md says where every number comes from, and what is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import pandas as pd

FOLDER = Path(__file__).parent / "published"
DIMENSION = 20  # of the inputs in every regression task of Grazzi et al. (2024)
NUMBERS = ["value", "low", "high"]
ZERO = {"1d": 1 / 9, "1e": 1 / 9, "2a": 3 / 20, "2c": 1 / 20, "3b": 1 / 20, "3c": 3 / 20, "9a": 1 / 9}
"""What predicting zero costs in the paper's unit, squared error over dimension, where it is not 1."""

ELSEWHERE = "its weights come with no package; SmolLM2, which does, stands in the same panel"
WITHOUT_OURS: dict[tuple[str, str], str] = {
    ("6", "Mamba"): ELSEWHERE,
    ("6", "RWKV"): ELSEWHERE,
    ("6", "GPT-J and Pythia"): ELSEWHERE,
    ("6", "LLaMA"): ELSEWHERE,
    ("7 Mamba", "Mamba 0.13B"): ELSEWHERE,
    ("7 Mamba", "Mamba 0.37B"): ELSEWHERE,
    ("7 Mamba", "Mamba 2.80B"): ELSEWHERE,
    ("7 RWKV", "RWKV 0.43B"): ELSEWHERE,
    ("7 RWKV", "RWKV 1.5B"): ELSEWHERE,
    ("7 RWKV", "RWKV 3B"): ELSEWHERE,
}
"""Published curves, by panel and series, that no model or learner of ours stands beside, and why."""


def contexts(panels: Sequence[str], series: Sequence[str] = ()) -> pd.DataFrame:
    """Returns the normalised errors of figures 1, 2, 8, 9 and 10 against examples per dimension.

    Args:
        panels: such as 1a.
        series: those kept, all by default.
    """
    table = _read("grazzi-contexts.csv")
    table = table[table["panel"].isin(panels) & (table["series"].isin(series) | (not series))]
    table = _normalised(table.assign(value=(table["low"] + table["high"]) / 2))
    return table.assign(source="published", x=table["context"] / DIMENSION).drop(columns="context")


def layers(panels: Sequence[str], quantity: str = "error") -> pd.DataFrame:
    """Returns curves of figures 3, 4, 5 and 12 against depth: of L points, the j-th lies at j / L.

    GD and GD++ start before their first step: of L points, the j-th lies at (j - 1) / (L - 1), as in the paper.

    Args:
        panels: such as 3d.
        quantity: error, scale or shift.
    """
    table = _read("grazzi-layers.csv")
    table = table[table["panel"].isin(panels) & (table["quantity"] == quantity)]
    before = table["series"].isin(["GD", "GD++"]).astype(int)
    x = (table["point"] - before) / (table["points"] - before)
    table = table.assign(source="published", run=1, x=x, value=table["mean"])
    wrong = table["correction"] != 1
    printed = table[wrong].assign(source="misprinted")
    table = table.assign(**{name: table[name] * table["correction"] for name in NUMBERS})
    both = pd.concat([table, printed])[["panel", "series", "source", "run", "x", *NUMBERS]]
    return _normalised(both) if quantity == "error" else both


def gamma() -> pd.DataFrame:
    """Returns the curve of figure 11: error of GD++ after 24 steps, by gamma."""
    table = _read("grazzi-gamma.csv").rename(columns={"gamma": "x", "error": "value"})
    return table.assign(panel="11", series="GD++", source="published", run=1, low=None, high=None)


def demonstrations() -> pd.DataFrame:
    """Returns the curves of figure 7: the mean over whichever tasks ran, as printed, and over those always there.

    Its two panels are called 7 Mamba and 7 RWKV.
    """
    table = _read("grazzi-demonstrations.csv")
    printed = table.groupby(["model", "demonstrations"], as_index=False)["accuracy"].mean()
    most = table.groupby("model")["demonstrations"].transform("nunique")
    always = table[table.groupby(["model", "task"])["demonstrations"].transform("nunique") == most]
    common = always.groupby(["model", "demonstrations"], as_index=False)["accuracy"].mean()
    both = pd.concat([common.assign(source="published"), printed.assign(source="misprinted")])
    both = both.rename(columns={"model": "series", "demonstrations": "x", "accuracy": "value"})
    return both.assign(panel="7 " + both["series"].str.split().str[0], run=1, low=None, high=None)


def lasting_tasks() -> list[str]:
    """Returns the tasks that ran with every number of demonstrations of figure 7, in all models but Mamba 2.8B.

    There are nine. With Mamba 2.8B three of them lack 256 demonstrations.
    """
    table = _read("grazzi-demonstrations.csv")
    table = table[table["model"] != "Mamba 2.80B"]
    runs = table.groupby(["task", "model"])["demonstrations"].nunique().unstack()
    most = table["demonstrations"].nunique()
    return sorted(runs.index[(runs == most).all(axis=1)])


def table_1() -> pd.DataFrame:
    """Returns Table 1: a row a task and model, with five demonstrations and without."""
    source = files("probe.language").joinpath("grazzi_table1.tsv").read_text(encoding="utf-8")
    lines = [line.split("\t") for line in source.splitlines()]
    table = pd.DataFrame(lines[1:], columns=lines[0])
    return table.astype({"accuracy": float, "zero_shot": float})


def _normalised(table: pd.DataFrame) -> pd.DataFrame:
    """Returns errors of which 1 is that of predicting zero."""
    zero = table["panel"].map(ZERO).fillna(1.0)
    return table.assign(**{name: table[name] / zero for name in NUMBERS})


def _read(name: str) -> pd.DataFrame:
    return pd.read_csv(FOLDER / name, dtype={"panel": str})
