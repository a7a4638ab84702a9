"""Records of probe fit --lengths: norm, memory and errors of a site by length, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from probe.errors import ProbeError
from probe.pages.chart import Axis, Chart, Facet, Line, Value
from probe.pages.names import Model, about, read_models
from probe.pages.section import Section
from probe.plots import words
from probe.records import Record

MEASURES = {
    "norm": Value("norm of the site", "norm"),
    "memory": Value("memory of the state (tokens)", "memory", better="higher"),
    "frozen": Value("error of heads frozen at the trained length", "frozen", level=1.0, level_says="predicting zero"),
    "refitted": Value("error of heads fitted at the length", "refitted", level=1.0, level_says="predicting zero"),
    "answer": Value("the model's own error", "answer", level=1.0, level_says="predicting zero"),
}
"""What is measured, by the names of the column `metric`."""
OWN = "the model itself"


def health_section(records: Sequence[Record]) -> Section:
    """Returns a section of what each layer's site keeps by length.

    Raises:
        ProbeError: if a record holds no such measures.
    """
    needed = {"metric", "site", "layer", "context", "value", "low", "high"}
    if any(not needed <= set(record.table.columns) for record in records):
        raise ProbeError("A record without measures by length was given, but a page of health is drawn from them. "
                         "Give the .csv of probe fit --lengths.")  # fmt: skip
    models = read_models(records)
    table = pd.concat([_rows(one) for one in models], ignore_index=True)
    names = [str(name) for name in table["line"].unique()]
    chart = Chart(
        title="Health by length",
        about=about(records, words.POINTWISE),
        table=table,
        axes=(Axis("context", words.contexts(records).axis),),
        value=MEASURES["frozen"],
        facets=(Facet("measure", "measure", first=True, values=MEASURES),),
        lines={name: Line(name) for name in names},
    )
    return Section("How a site fares beyond the trained length", [chart])


def _rows(one: Model) -> pd.DataFrame:
    table = one.table[one.table["metric"].isin(list(MEASURES)) & one.table["value"].notna()]
    places = [OWN if pd.isna(layer) else f"layer {int(layer)}" for layer in table["layer"]]
    heads = [str(site).partition(", ")[2] if pd.notna(site) else "" for site in table["site"]]
    return pd.DataFrame(
        {
            "series": one.label,
            "line": [f"{place}, {head}" if head else place for place, head in zip(places, heads, strict=True)],
            "x": table["context"].astype("float64"),
            "y": table["value"],
            "low": table["low"],
            "high": table["high"],
            "measure": table["metric"],
        }
    )
