"""Records of probe fit: error by layer, over examples in context and kept steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import pandas as pd

from probe.errors import ProbeError
from probe.pages.chart import Axis, Chart, Facet, Line, Value
from probe.pages.curves import HEADS, lines, shared
from probe.pages.names import Model, about, read_models
from probe.pages.section import Section
from probe.plots import style, words
from probe.records import COLUMNS, METRICS, Record

OWN = {"model": Line("the model's own answer", mark=True)}
NAMES = {"layer": "layer", "depth": "depth by blocks", "parameters": "parameters", "flops": "FLOPs"}
"""The axes of depth in a list."""


def layer_section(records: Sequence[Record]) -> Section:
    """Returns a section of error by layer, all models and heads in one chart.

    Raises:
        ProbeError: if a record has no error at any layer.
    """
    for record in records:
        if not set(COLUMNS) - {"mse", "prompts"} <= set(record.table.columns) or record.table["layer"].isna().all():
            raise ProbeError("A record without errors by layer was given, but a page of layers is drawn from them. "
                             "Give the .csv of probe fit.")  # fmt: skip
    models = read_models(records)
    measures = ["error", *(name for name in METRICS if any(_has(one, name) for one in models))]
    table = pd.concat([_rows(one, measure) for one in models for measure in measures], ignore_index=True)
    keys = ["context", "target", "measure", "step"]
    table = shared(table, table["x"].isna(), keys)
    units = [words.unit(record, target) for record in records for target in style.read_targets(records)]
    value = Value(words.error_label(units), level=1.0, level_says=" or ".join(dict.fromkeys(units)))
    band = words.POINTWISE if table["low"].notna().any() else "no bands"
    names = [str(name) for name in table["line"].unique()]
    chart = Chart(
        title="Error by layer",
        about=about(records, band),
        table=table,
        axes=layer_axes(models, list(dict.fromkeys(one.label for one in models))),
        value=value,
        facets=(
            Facet("context", words.contexts(records).axis, slider=True),
            Facet("step", "training step", slider=True),
            Facet("target", "target", first=True),
            Facet("measure", "measure", first=True, words=METRICS, values=_values(measures, value)),
        ),
        lines=lines(names, {**HEADS, **OWN}),
        mapped="context" if table["context"].nunique() > 1 or table["step"].isna().all() else "step",
        blocks=True,
    )
    return Section("What each block adds", [chart])


def layer_axes(models: Sequence[Model], labels: Sequence[str]) -> tuple[Axis, ...]:
    """Returns the axes of depth that every model has the numbers for, layers first where all have as many.

    Args:
        labels: the series of a chart, in order.
    """
    first = {label: next(one for one in models if one.label == label) for label in labels}
    axes = {"layer": Axis("layer", style.X_LABELS["layer"])}
    blocks = [one.blocks for one in first.values()]
    if all(blocks):
        places = tuple(tuple(layer / count for layer in range(count + 1)) for count in blocks)
        axes["depth"] = Axis("depth", style.X_LABELS["depth"], places)
    for name in ("parameters", "flops"):
        totals = [one.about.get(f"cumulative_{name}") or [] for one in first.values()]
        if all(len(total) > count and total[-1] for total, count in zip(totals, blocks, strict=True)):
            shares = tuple(tuple(float(part) / float(total[-1]) for part in total) for total in totals)
            axes[name] = Axis(name, style.X_LABELS[name], shares)
    usual = "layer" if len(set(blocks)) == 1 or "depth" not in axes else "depth"
    return tuple(axes[name] for name in sorted(axes, key=lambda name: (name != usual, list(NAMES).index(name))))


def _has(one: Model, measure: str) -> bool:
    return measure in one.table.columns and bool(one.table[measure].notna().any())


def _rows(one: Model, measure: str) -> pd.DataFrame:
    """Returns what is charted of one model: its errors, or another measure with its own band."""
    low, high = ("low", "high") if measure == "error" else (f"{measure}_low", f"{measure}_high")
    if not _has(one, measure):
        return pd.DataFrame()
    table = one.table[one.table[measure].notna()]
    return pd.DataFrame(
        {
            "series": one.label,
            "line": table["head"].astype(str),
            "x": table["layer"].astype("float64"),
            "y": table[measure],
            "low": table[low] if low in table else float("nan"),
            "high": table[high] if high in table else float("nan"),
            "context": table["context"],
            "step": pd.array([one.step] * len(table), dtype="Int64"),
            "target": table["target"],
            "measure": measure,
        }
    )


def _values(measures: Sequence[str], error: Value) -> dict[str, Value]:
    others = {
        name: Value(METRICS[name], name.replace("_", " "), log=False, share=True, better=_better(name))
        for name in measures
        if name != "error"
    }
    return {"error": error, **others} if others else {}


def _better(measure: str) -> Literal["lower", "higher"]:
    return "lower" if measure == "total_variation" else "higher"
