"""Pages drawn from records alone: what a reader looks into, chooses from and copies, in one HTML file."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from probe.errors import ProbeError
from probe.pages.chart import Axis, Chart, Facet, Line, Value
from probe.pages.document import document
from probe.pages.page import Page
from probe.pages.rows import row_section
from probe.pages.running import stands
from probe.pages.section import Section
from probe.records import Record
from probe.registries import Registry

Draw = Callable[[Sequence[Record]], Section]

SECTIONS: Registry[Draw] = Registry(
    "probe.pages",
    {
        "fit": "layers:layer_section",
        "evaluate": "contexts:context_section",
        "compare": "comparison:comparison_section",
        "claim": "claim:claim_section",
        "beliefs": "beliefs:belief_section",
        "health": "health:health_section",
        "train": "training:training_section",
        "language": "language:language_section",
        "language-layers": "language:language_layer_section",
        "language-compare": "comparison:language_comparison_section",
    },
)
"""What is drawn of the records of a kind."""
ALONE = ("claim",)
"""Kinds of which every record has a section of its own."""


def view_page(
    records: Sequence[Record], names: Sequence[str] = (), running: Sequence[bool] = (), every: int = 0
) -> Page:
    """Returns a page of records: those of a kind are laid over one another, kinds follow one another.

    Args:
        names: of the records' files, which the page's command names.
        running: for each record whether a training still writes it.
        every: seconds after which the page loads itself anew; never unless given.

    Raises:
        ProbeError: if there are none, or some hold what cannot be drawn.
    """
    if not records:
        raise ProbeError("No record was given, but a page is drawn from one at least. Give the .csv of a command.")
    groups: dict[str, list[list[Record]]] = {}
    for record in records:
        kind = str(record.provenance.get("kind", ""))
        if kind in ALONE or kind not in SECTIONS or kind not in groups:
            groups.setdefault(kind, []).append([record])
        else:
            groups[kind][0].append(record)
    try:
        sections = [_section(kind, each) for kind, many in groups.items() for each in many]
        return Page(document(sections, records, names, stands(records, running or [False] * len(records)), every))
    except ProbeError:
        raise
    except Exception as error:  # a page looks at every cell, each of which may be odd in its own way
        raise ProbeError(
            f"{', '.join(names) or 'The record'} cannot be drawn as a page: it holds what no command writes "
            f"({type(error).__name__}: {error}). Give records as the commands wrote them."
        ) from error


def _section(kind: str, records: Sequence[Record]) -> Section:
    """Returns the section of a kind; of one without a chart, its rows."""
    return SECTIONS[kind](records) if kind in SECTIONS else row_section(records)


__all__ = ["Axis", "Chart", "Draw", "Facet", "Line", "Page", "SECTIONS", "Section", "Value", "document", "view_page"]
