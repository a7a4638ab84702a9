"""Records of kinds that have no chart on a page: their rows."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from probe import text
from probe.pages.section import Section, filled
from probe.records import Record
from probe.records.tables import number

MOST = 1_000
"""Rows that a page shows; the record's file holds all."""


def row_section(records: Sequence[Record]) -> Section:
    """Returns a section with the rows of a record as they stand, numbers with three significant digits."""
    (record,) = records
    table, kind = record.table, text.line(record.provenance.get("kind") or "rows")
    shown = table.head(MOST)
    about = f"{len(table):,} rows" if len(shown) == len(table) else f"the first {MOST:,} of {len(table):,} rows"
    columns = [text.line(name) for name in table.columns]
    rows = [[_cell(value) for value in row] for row in shown.itertuples(index=False, name=None)]
    words = f"{about}; there is no chart of a record of this kind. The .csv beside it holds every digit."
    return Section(kind, before=filled("rows.html", about=words, columns=columns, rows=rows))


def _cell(value: object) -> str:
    if value is None or (isinstance(value, float) and pd.isna(value)):
        return ""
    return number(value) if isinstance(value, float) else text.line(value)
