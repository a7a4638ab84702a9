"""Turns records of verbs into curves for `probe.plots.curve_panels`: normalised errors against depth or examples."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from math import comb

import pandas as pd

from probe import Record, make_task

COLUMNS = ["panel", "series", "source", "run", "x", "value", "low", "high", "task", "model", "prompts"]
"""A curve's columns, and what the picture says of where it comes from."""


def by_layer(record: Record, panel: str, names: Mapping[str, str], head: str, quantity: str = "error") -> pd.DataFrame:
    """Returns a head's error, scale or shift against depth, of the models named, a run a model.

    Args:
        names: what to call each model; the others are left out.
    """
    table = record.table
    table = table[(table["head"] == head) & table["model"].isin(list(names)) & table["layer"].notna()]
    low, high = _band(quantity)
    found = table.assign(
        panel=panel,
        series=table["model"].map(names),
        source="measured",
        run=table["model"],
        x=table["depth"],
        value=table[quantity],
        low=table[low],
        high=table[high],
        task=_task(record, table),
    )
    return found[COLUMNS]


def by_context(
    record: Record,
    panels: Mapping[str, str],
    names: Mapping[str, str],
    per_dimension: bool = True,
    quantity: str = "error",
    chosen: Collection[int] = (),
) -> pd.DataFrame:
    """Returns models' and learners' errors against the number of examples, one panel a prompting style.

    Args:
        panels: the panel of each style; other styles are left out.
        names: what to call each model and each learner; the others are left out.
        per_dimension: whether examples are counted per dimension of x.
        quantity: error, or a column such as accuracy.
        chosen: the numbers of examples that are kept; all are unless given.
    """
    about = record.provenance["models"]
    table = record.table[record.table["prompting"].isin(list(panels))]
    if chosen:
        table = table[table["context"].isin(list(chosen))]
    own = table["head"] == "model"
    first = table["model"] == next(iter(about))  # learners stand under every model
    series = table["model"].where(own, table["head"]).map(names)
    dimension = table["model"].map({name: one["dim"] for name, one in about.items()})
    found = table.assign(
        panel=table["prompting"].map(panels),
        series=series,
        source="measured",
        run=table["model"],
        x=table["context"] / (dimension if per_dimension else 1),
        value=table[quantity],
        low=table[_band(quantity)[0]],
        high=table[_band(quantity)[1]],
        task=_task(record, table),
        model=table["model"].where(own),
    )
    return found[(own | first) & series.notna()][COLUMNS]


def by_option(record: Record, panel: str, names: Mapping[str, str], option: str, quantity: str) -> pd.DataFrame:
    """Returns models' and references' errors with the most examples against an option of the record's tasks.

    Args:
        record: of several tasks, with a column `task`.
        names: what to call each model and each reference; the others are left out.
        option: the field of the tasks, such as query_noise.
        quantity: error, or a column such as accuracy.
    """
    first, about = next(iter(record.provenance["models"].items()))
    table = record.table[record.table["context"] == record.table["context"].max()]
    own = table["head"] == "model"
    found = table.assign(
        panel=panel,
        series=table["model"].where(own, table["head"]).map(names),
        source="measured",
        run=table["model"],
        x=[getattr(make_task(text, about["dim"]), option) for text in table["task"]],
        value=table[quantity],
        low=table[_band(quantity)[0]],
        high=table[_band(quantity)[1]],
        task=[text.partition(":")[0] for text in table["task"]],
        model=table["model"].where(own),
    )
    return found[(own | (table["model"] == first)) & found["series"].notna()][COLUMNS]


def _task(record: Record, table: pd.DataFrame) -> list[str | None]:
    """Returns the task of every row: the record's, or the one that its model was trained on."""
    asked, models = record.provenance["config"].get("task"), record.provenance["models"]
    return [asked or (models.get(name) or {}).get("task") for name in table["model"]]


def _band(quantity: str) -> tuple[str, str]:
    """Returns the columns of a quantity's band."""
    return ("low", "high") if quantity == "error" else (f"{quantity}_low", f"{quantity}_high")


def by_flops(record: Record, panel: str, names: Mapping[str, str]) -> pd.DataFrame:
    """Returns each model's error with the most examples, prompts drawn as in training, against 10^12 training FLOPs.

    Args:
        names: what to call each model; the others are left out.
    """
    table = record.table
    own = table[(table["head"] == "model") & (table["prompting"] == "standard") & table["model"].isin(list(names))]
    own = own[own["context"] == own["context"].max()]
    spent = {name: about["training_flops"] for name, about in record.provenance["models"].items()}
    x = own["model"].map(spent).astype(float) / 1e12
    found = own.assign(panel=panel, series=own["model"].map(names), source="measured", run=1, x=x, value=own["error"])
    return found.assign(task=_task(record, own)).sort_values("x")[COLUMNS]


def least_squares_law(panel: str, dim: int, last: int, clean: float = 1.0) -> pd.DataFrame:
    """Returns what least squares on the clean examples errs on isotropic inputs without noise, against examples.

    After n clean examples it has n of the dim directions: its error is 1 - n / dim, and none from n = dim on.

    Args:
        clean: how likely an example is no outlier.
    """
    numbers = range(last + 1)
    errors = [
        sum(
            comb(number, n) * clean**n * (1 - clean) ** (number - n) * (1 - n / dim)
            for n in range(min(number, dim) + 1)
        )
        for number in numbers
    ]
    found = pd.DataFrame({"x": list(numbers), "value": errors})
    return found.assign(panel=panel, series="least squares", source="exact", run=1, low=None, high=None)


def by_step(record: Record, panel: str, names: Mapping[str, str], last: int) -> pd.DataFrame:
    """Returns errors of learners named ``NAME:steps=N...`` at the record's largest context, against N / last.

    Args:
        names: what to call each learner, by NAME.
    """
    table = record.table[record.table["head"].str.contains("steps=")]
    table = table[table["context"] == table["context"].max()]
    steps = table["head"].str.extract(r"steps=(\d+)")[0].astype(int)
    found = table.assign(
        panel=panel,
        series=table["head"].str.split(":").str[0].map(names),
        source="measured",
        run=1,
        x=steps / last,
        value=table["error"],
        task=_task(record, table),
        model=None,
    )
    return found[COLUMNS]
