"""Records of beliefs: the simplex that each layer's heads read, beside the true one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from probe.errors import ProbeError
from probe.pages.names import about
from probe.pages.png import encoded
from probe.pages.section import Section, filled
from probe.plots.simplex import simplex_figure
from probe.plots.style import View
from probe.records import Record

BAND = "no bands: every point is one belief"


def belief_section(records: Sequence[Record]) -> Section:
    """Returns a section with a picture a layer, the last first: true beliefs, and those that heads read of each model.

    Raises:
        ProbeError: if a record holds no beliefs.
    """
    if any("layer" not in record.table for record in records):
        raise ProbeError("A record without layers was given, but beliefs are drawn by layer. Give a record of beliefs.")
    layers = sorted({int(layer) for record in records for layer in record.table["layer"].dropna()}, reverse=True)
    pictures = [_picture(records, layer, number) for number, layer in enumerate(layers, 1)]
    return Section(
        "Beliefs over hidden states", before=filled("beliefs.html", about=about(records, BAND), pictures=pictures)
    )


def _picture(records: Sequence[Record], layer: int, number: int) -> dict[str, Any]:
    """Returns the picture of one layer of all models that have it."""
    held = [Record(record.table[record.table["layer"] == layer], record.provenance) for record in records]
    figure = simplex_figure([record for record in held if len(record.table)], View(layers=(layer,)))
    return {"layer": layer, "data": encoded(figure), "id": f"beliefs-{number}"}
