"""Records of beliefs: the simplex that each layer's heads read of a model, beside the true one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from probe import text
from probe.errors import ProbeError
from probe.pages.names import about
from probe.pages.png import encoded
from probe.pages.section import Section, filled
from probe.plots.simplex import simplex_figure
from probe.plots.style import View
from probe.records import Record

BAND = "no bands: every point is one belief"


def belief_section(records: Sequence[Record]) -> Section:
    """Returns a section with a picture a layer and model, the last layer first: true beliefs beside those read.

    Each is as wide as a column, so that it is read on a telephone; on a wide screen they stand side by side.

    Raises:
        ProbeError: if a record holds no beliefs.
    """
    if any("layer" not in record.table for record in records):
        raise ProbeError("A record without layers was given, but beliefs are drawn by layer. Give a record of beliefs.")
    found = [
        (int(rows["layer"].iloc[0]), str(model), Record(rows, record.provenance | {"models": _of(record, str(model))}))
        for record in records
        for (_, model), rows in record.table.groupby(["layer", "model"], sort=False)
    ]
    found.sort(key=lambda one: -one[0])
    pictures = [_picture(one, model, layer, number) for number, (layer, model, one) in enumerate(found, 1)]
    return Section(
        "Beliefs over hidden states", before=filled("beliefs.html", about=about(records, BAND), pictures=pictures)
    )


def _of(record: Record, model: str) -> dict[str, Any]:
    """Returns what a record tells of one of its models, by name."""
    return {model: (record.provenance.get("models") or {}).get(model) or {}}


def _picture(record: Record, model: str, layer: int, number: int) -> dict[str, Any]:
    """Returns the picture of one layer of one model."""
    figure = simplex_figure([record], View(layers=(layer,), columns=1))
    return {"says": f"{text.line(model)}, layer {layer}", "data": encoded(figure), "id": f"beliefs-{number}"}
