"""Where a page's numbers come from: commands to copy, checkpoints, settings and versions."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from probe import records, text
from probe.records import Record

UNNAMED = "RECORD.csv"
"""What a record is called in a command where nobody knows its file."""
TOLD = ("config", "versions", "units", "notes", "warnings", "processes")
"""Fields of a record's provenance that a page prints as they are."""


@dataclass(frozen=True)
class Command:
    """A command to copy, and what it is for."""

    says: str
    line: str


def commands(found: Sequence[Record], names: Sequence[str]) -> list[Command]:
    """Returns what measures the records anew, and what draws this page again."""
    told = list(dict.fromkeys(str(record.provenance.get("command") or "") for record in found))
    measured = [Command("measures the numbers anew", text.line(line, 2000)) for line in told if line]
    files = list(names) or [UNNAMED] * len(found)
    drawn = shlex.join(["probe", "view", *files, "--out", "page.html"])
    return [*measured, Command("draws this page again from its records", text.line(drawn, 2000))]


def origins(found: Sequence[Record], names: Sequence[str]) -> list[dict[str, Any]]:
    """Returns, of every record, its checkpoints in a table and its provenance as text."""
    files = [*names, *[""] * len(found)]
    return [_origin(record, name) for record, name in zip(found, files, strict=False)]


def _origin(record: Record, name: str) -> dict[str, Any]:
    provenance = records.plain(record.provenance)
    models = [
        {"name": model, **{key: about.get(key) for key in ("arch", "layout", "blocks", "width", "task", "step")},
         "digest": str(about.get("digest") or "")[:12]}
        for model, about in (provenance.get("models") or {}).items()
    ]  # fmt: skip
    told = {key: provenance[key] for key in TOLD if provenance.get(key)}
    return {
        "name": name or f"a record of probe {provenance.get('kind')}",
        "rows": len(record.table),
        "models": models,
        # a claim's page says its notes where the claim is
        "notes": [] if provenance.get("kind") == "claim" else provenance.get("notes") or [],
        "told": json.dumps(told, indent=2, ensure_ascii=False),
    }
