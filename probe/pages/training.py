"""Logs of probe train: loss, error and rate by step."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from markupsafe import Markup

from probe.errors import ProbeError
from probe.pages.chart import Axis, Chart, Facet, Line, Value
from probe.pages.names import about, read_models
from probe.pages.section import Section
from probe.plots import style
from probe.records import Record

MEASURES = {
    "loss": Value("training loss (mean squared error)", "loss"),
    "error": Value(style.ERROR_LABEL, level=1.0, level_says="predicting zero"),
    "rate": Value("learning rate", "rate", log=False),
}


def training_section(records: Sequence[Record]) -> Section:
    """Returns a section of what a training's log holds, by step or by seconds.

    Raises:
        ProbeError: if a record has no loss by step.
    """
    for record in records:
        if not {"step", "loss"} <= set(record.table.columns):
            raise ProbeError("A record without losses by step was given, but a page of a training is drawn from them. "
                             "Give the -training.csv of probe train.")  # fmt: skip
    models = read_models(records)
    parts = [
        pd.DataFrame(
            {"series": one.label, "line": "own", "x": rows["step"].astype("float64"), "y": rows[name], "measure": name}
        )
        for one in models
        for name in MEASURES
        if name in one.table and len(rows := one.table[one.table[name].notna()])
    ]
    if not parts:
        return Section("Training", [], before=Markup("<p>No step has been logged yet.</p>"))
    table = pd.concat(parts, ignore_index=True).assign(low=float("nan"), high=float("nan"))
    chart = Chart(
        title="Training",
        about=about(records, "one training each, no bands"),
        table=table,
        axes=(Axis("step", "training step"),),
        value=MEASURES["loss"],
        facets=(Facet("measure", "measure", first=True, values=MEASURES),),
        lines={"own": Line("training")},
    )
    return Section("Training", [chart])
