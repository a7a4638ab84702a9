"""Layer curves of a claim's record: the heads' errors, and those of the nulls."""

from __future__ import annotations

import pandas as pd

from probe.pages.chart import Axis, Chart, Facet, Line, Value
from probe.pages.names import about
from probe.plots import words
from probe.records import Record, with_dtypes

LINES = {
    "linear": Line("refitted at every layer", "solid"),
    "read": Line("heads for y or w", "longdash"),
    "frozen": Line("the last layer's head", "dashdot"),
    "lens": Line("lens", "dash"),
    "calibrated": Line("calibrated lens", "dot"),
    "untrained": Line("null: an untrained model", "longdashdot", quiet=True),
    "fixed_function": Line("null: one fixed function", "5,1,1,1", quiet=True),
    "shuffled_targets": Line("null: shuffled targets", "dot", quiet=True),
}
"""Heads by their name, and nulls by their site."""


def curve_charts(record: Record) -> list[Chart]:
    """Returns a chart of the error by layer, or none where the record holds no such evidence."""
    table = with_dtypes(record.table)
    rows = table[(table["metric"] == "error") & table["evidence"].isin(["curve", "nulls"]) & table["layer"].notna()]
    rows = rows[rows["value"].notna()]
    if rows.empty:
        return []
    nulls = rows["evidence"] == "nulls"
    drawn = pd.DataFrame(
        {
            "series": rows["model"].astype(str),
            "line": rows["head"].astype(str).mask(nulls, rows["site"].astype(str)),
            "x": rows["layer"].astype("float64"),
            "y": rows["value"],
            "low": rows["low"],
            "high": rows["high"],
            "context": rows["context"],
        }
    ).drop_duplicates(["series", "line", "x", "context"])
    unit = words.unit(record)
    return [
        Chart(
            title="Error by layer",
            about=about([record], "bands: 95 % by prompt, for all layers at once", rows["prompts"]),
            table=drawn,
            axes=(Axis("layer", "layer (0 = read-in)"),),
            value=Value(words.error_label([unit]), level=1.0, level_says=unit),
            facets=(Facet("context", words.contexts([record]).axis, slider=True),),
            lines=LINES,
            blocks=True,
        )
    ]
