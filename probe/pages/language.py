"""Records of language tasks: accuracy by demonstrations and task, and by layer and task."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from probe.errors import ProbeError
from probe.pages.chart import Axis, Chart, Facet, Line, Value
from probe.pages.curves import HEADS, lines
from probe.pages.layers import layer_axes
from probe.pages.names import Model, about, read_models
from probe.pages.section import Section
from probe.plots import words
from probe.records import Record

SHARE = Value("accuracy", "accuracy", log=False, better="higher", share=True)
METRICS = {
    "accuracy": SHARE,
    "exact": Value("share of exact answers", "exact", log=False, better="higher", share=True),
    "prefix": Value("share of answers that begin rightly", "prefix", log=False, better="higher", share=True),
    "synonym": Value("share of right answers or synonyms", "synonym", log=False, better="higher", share=True),
    "probability": Value("mean probability of the answer", "probability", log=False, better="higher", share=True),
    "rank": Value("rank of the answer (1 = the likeliest token)", "rank"),
}
"""What language records measure."""
HEADS_HERE = {
    **HEADS,
    "task_vector": Line("with a task vector", "solid"),
    "demonstrations": Line("with demonstrations instead", "dash"),
    "zero_shot": Line("without either", "dot"),
    "chance": Line("chance", "longdash"),
    "model": Line("the model's own answer"),
}
ALONE = ("demonstrations", "zero_shot", "chance")
"""Values that belong to no layer, wherever a record lists them."""


def language_section(records: Sequence[Record]) -> Section:
    """Returns a section of accuracy by the number of demonstrations, a task at a time, and all tasks in a map."""
    table = _read(records)
    table = table.assign(x=table["context"].astype("float64")).drop(columns="context")
    chart = Chart(
        title="Accuracy by demonstrations",
        about=about(records, words.POINTWISE),
        table=table,
        axes=(Axis("context", "demonstrations in the prompt"),),
        value=SHARE,
        facets=(Facet("task", "task", first=True), Facet("metric", "measure", first=True, values=METRICS)),
        lines=HEADS_HERE,
        mapped="task",
    )
    return Section("Language tasks", [chart])


def language_layer_section(records: Sequence[Record]) -> Section:
    """Returns a section of what heads and lenses answer by layer, a task at a time, and all tasks in a map."""
    models = read_models(records)
    table = _read(records)
    layers = table["layer"].astype("float64").mask(table["line"].isin(ALONE))
    chart = Chart(
        title="Accuracy by layer",
        about=about(records, words.POINTWISE),
        table=table.assign(x=layers),
        axes=layer_axes(models, list(dict.fromkeys(one.label for one in models))),
        value=SHARE,
        facets=(
            Facet("context", "demonstrations in the prompt", slider=True),
            Facet("task", "task", first=True),
            Facet("metric", "measure", first=True, values=METRICS),
        ),
        lines=lines([str(name) for name in table["line"].unique()], HEADS_HERE),
        mapped="task" if table["task"].nunique() > 1 else "context",
        blocks=True,
    )
    return Section("What each layer answers", [chart])


def _read(records: Sequence[Record]) -> pd.DataFrame:
    for record in records:
        if not {"task", "metric", "value", "layer", "head"} <= set(record.table.columns):
            raise ProbeError("A record without values by task was given, but a page of language tasks is drawn from "
                             "them. Give the .csv of probe evaluate or fit on such tasks.")  # fmt: skip
    return pd.concat([_rows(one) for one in read_models(records)], ignore_index=True)


def _rows(one: Model) -> pd.DataFrame:
    table = one.table[one.table["value"].notna()]
    return pd.DataFrame(
        {
            "series": one.label,
            "line": table["head"].astype(str),
            "layer": table["layer"],
            "y": table["value"],
            "low": table["value_low"] if "value_low" in table else float("nan"),
            "high": table["value_high"] if "value_high" in table else float("nan"),
            "context": table["context"],
            "task": table["task"],
            "metric": table["metric"],
        }
    )
