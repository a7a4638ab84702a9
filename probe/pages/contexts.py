"""Records of probe evaluate: error by number of examples, of models and learners."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from probe.errors import ProbeError
from probe.pages.chart import Axis, Chart, Facet, Line, Value
from probe.pages.curves import lines, shared
from probe.pages.names import Model, about, read_models
from probe.pages.section import Section
from probe.plots import style, words
from probe.records import METRICS, Record

OWN = {"model": Line("the model's own answer")}
MEDIAN = "median"


def context_section(records: Sequence[Record]) -> Section:
    """Returns a section of the error of models and learners by the number of examples.

    Raises:
        ProbeError: if a record has no error by number of examples.
    """
    for record in records:
        if not {"context", "error", "head", "low", "high"} <= set(record.table.columns):
            raise ProbeError("A record without errors by context was given, but a page of evaluate is drawn from them. "
                             "Give the .csv of probe evaluate.")  # fmt: skip
    models = read_models(records)
    measures = [name for name in ("error", MEDIAN, *METRICS) if any(_has(one, name) for one in models)]
    table = pd.concat([_rows(one, name) for one in models for name in measures], ignore_index=True)
    table = shared(table, table["line"] != "model", ["x", "prompting", "target", "measure"])
    units = [words.unit(record, target) for record in records for target in style.read_targets(records)]
    value = Value(words.error_label(units), level=1.0, level_says=" or ".join(dict.fromkeys(units)))
    others = {name: Value(METRICS[name], name.replace("_", " "), False, share=True, better="higher")
              for name in measures if name in METRICS}  # fmt: skip
    median = {MEDIAN: Value("median of the prompts' squared errors, normalised", MEDIAN)}
    chart = Chart(
        title=f"Error by {words.contexts(records).noun}",
        about=about(records, words.POINTWISE if table["low"].notna().any() else "no bands"),
        table=table,
        axes=(Axis("context", words.contexts(records).axis),),
        value=value,
        facets=(
            Facet("step", "training step", slider=True),
            Facet("prompting", "prompts", first=True),
            Facet("target", "target", first=True),
            Facet("measure", "measure", first=True, words=METRICS, values={"error": value, **median, **others}),
        ),
        lines=lines([str(name) for name in table["line"].unique()], OWN),
    )
    return Section("What the context adds", [chart])


def _has(one: Model, measure: str) -> bool:
    return measure in one.table.columns and bool(one.table[measure].notna().any())


def _rows(one: Model, measure: str) -> pd.DataFrame:
    if not _has(one, measure):
        return pd.DataFrame()
    table = one.table[one.table[measure].notna()]
    low, high = ("low", "high") if measure == "error" else (f"{measure}_low", f"{measure}_high")
    return pd.DataFrame(
        {
            "series": one.label,
            "line": table["head"].astype(str),
            "x": table["context"].astype("float64"),
            "y": table[measure],
            "low": table[low] if low in table else float("nan"),
            "high": table[high] if high in table else float("nan"),
            "step": pd.array([one.step] * len(table), dtype="Int64"),
            "prompting": table.get("prompting"),
            "target": table.get("target"),
            "measure": measure,
        }
    )
