"""What a record of checked kernels says: a row an implementation and dtype, then what failed and what was not run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from probe.records.store import Record
from probe.records.tables import CELL, Grid, Part
from probe.text import line

MEASURED = ("output", "gradient", "steps", "pieces", "prefixes", "batch")
"""Checks whose gap is shown."""
TO_THE_BIT = ("repeats", "prompts", "operands")
"""Checks in which nothing may differ."""
FAILS, UNTESTED = "fails", "not tested"


def kernels_table(record: Record) -> list[Part]:
    """Returns the largest gap of every check by implementation and dtype, what failed, and what was not run."""
    table = record.table
    ran = table[table["outcome"] != UNTESTED]
    cells = [["operation", "implementation", "numbers", *MEASURED, "to the bit"]]
    for (operation, package, name, device, dtype), rows in ran.groupby(
        ["operation", "package", "implementation", "device", "dtype"], sort=False
    ):
        start = [line(operation, CELL), line(f"{package} {name}", CELL), line(f"{dtype}, {device}", CELL)]
        cells.append([*start, *(_largest(rows, check) for check in MEASURED), _same(rows)])
    failed = table[table["outcome"] == FAILS]
    untested = table[table["outcome"] == UNTESTED]
    first = failed.drop_duplicates(["operation", "package", "implementation", "device", "dtype", "check"])
    lines: list[Part] = [f"{_settings(record)}", *([Grid(cells)] if len(ran) else [])]
    lines += [f"FAIL  {line(claim(row))}: {line(_off(row))}" for row in first.to_dict("records")]
    lines += [f"--    {line(claim(row))}: {line(row['seen'])}" for row in untested.to_dict("records")]
    words = f"{len(ran) - len(failed):,} of {len(ran):,} checks hold"
    return [*lines, words]


def kernels_summary(record: Record) -> dict[str, Any]:
    """Returns the same for scripts: the largest gaps by operation, implementation, device, dtype and check."""
    gaps: dict[str, Any] = {}
    table = record.table
    keys = ["operation", "package", "implementation", "device", "dtype", "check"]
    for places, rows in table[table["outcome"] != UNTESTED].groupby(keys, sort=False):
        operation, package, name, device, dtype, check = map(str, places)
        place = gaps.setdefault(operation, {}).setdefault(f"{package} {name}", {})
        place.setdefault(f"{dtype}, {device}", {})[check] = float(rows["gap"].max(skipna=False))
    failed = table[table["outcome"] == FAILS]
    untested = table[table["outcome"] == UNTESTED]
    return {
        "held": not len(failed),
        "checks": int((table["outcome"] != UNTESTED).sum()),
        "failed": [{"check": claim(row), "seen": _off(row)} for row in failed.to_dict("records")],
        "not_tested": [{"check": claim(row), "seen": str(row["seen"])} for row in untested.to_dict("records")],
        "gaps": gaps,
    }


def claim(row: Mapping[Any, Any]) -> str:
    """Returns what one row is about."""
    words = [f"{row['operation']} by {row['package']} {row['implementation']}"]
    if not _missing(row["dtype"]):
        words.append(f"{row['dtype']} on {row['device']}")
    if not _missing(row["tokens"]):
        words.append(f"{int(row['tokens']):,} tokens")
    if not _missing(row["check"]):
        words.append(str(row["check"]))
    return ", ".join(words)


def _off(row: Mapping[Any, Any]) -> str:
    if _missing(row["gap"]):
        return f"{row['seen']} is not a number"
    allowed = f"{row['allowed']:.0e} allowed" if row["allowed"] else "nothing allowed"
    return f"{row['seen']} off by {row['gap']:.1e}, {allowed}"


def _largest(rows: pd.DataFrame, check: str) -> str:
    found = rows[rows["check"] == check]
    if not len(found):
        return ""
    gap = found["gap"].max(skipna=False)
    words = "not a number" if _missing(gap) else f"{gap:.0e}" if gap else "0"
    return f"{words} FAIL" if (found["outcome"] == FAILS).any() else words


def _same(rows: pd.DataFrame) -> str:
    found = rows[rows["check"].isin(TO_THE_BIT)]
    failed = found[found["outcome"] == FAILS]
    return f"FAIL: {', '.join(dict.fromkeys(failed['check']))}" if len(failed) else "same" if len(found) else ""


def _settings(record: Record) -> str:
    allowed = record.provenance.get("allowed")
    told = allowed if isinstance(allowed, Mapping) else {}
    limits = ", ".join(f"{float(each):.0e} in {line(dtype, CELL)}" for dtype, each in told.items())
    lengths = record.provenance.get("lengths") or []
    return (
        "largest gap as a share of the largest number, from references in double precision; allowed are "
        f"{limits}; {', '.join(f'{int(each):,}' for each in lengths)} tokens"
    )


def _missing(value: Any) -> bool:
    return value is None or value == "" or bool(pd.isna(value))
