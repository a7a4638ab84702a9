"""What heads of a record read, in words, if it is not the stream at the query; and on how many prompts they stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from probe.records.store import Record
from probe.text import line

TOKENS = {"x": "", "y": "the token of y"}


def read_at(record: Record) -> str:
    """Returns the site and the token that the heads of a record read, in words; nothing for the stream at the query."""
    config = record.provenance.get("config")
    at = config.get("at") if isinstance(config, Mapping) else getattr(config, "at", None)
    sites = record.provenance.get("sites")
    told = [one for one in sites.values() if isinstance(one, Mapping)] if isinstance(sites, Mapping) else []
    token = TOKENS.get(str(at), f"{line(at)} tokens from the query") if at is not None else ""
    places = [*([_sites(told)] if told else []), *([token] if token else [])]
    return f"heads read {' and '.join(places)}" if places else ""


def prompts_of(record: Record) -> tuple[int | None, int | None]:
    """Returns on how many prompts the heads of a record were fitted and scored.

    Records that do not tell it, as older ones do not, have what was asked for; None where that is not told either.
    """
    told, config = record.provenance.get("prompts"), record.provenance.get("config")
    found = told if isinstance(told, Mapping) else {}
    asked = config if isinstance(config, Mapping) else {}
    fitted, scored = found.get("fit", asked.get("prompts")), found.get("score", asked.get("score"))
    return fitted if isinstance(fitted, int) else None, scored if isinstance(scored, int) else None


def _sites(told: Sequence[Mapping[str, Any]]) -> str:
    """Returns the sites of one or several models, and through how many projections of how many numbers."""
    names = ", ".join(dict.fromkeys(line(one.get("name")) for one in told))
    narrowed = [one for one in told if one.get("projection", "none") != "none" and one.get("numbers")]
    if not narrowed:
        return f"site {names}"
    features = ", ".join(dict.fromkeys(str(one.get("features")) for one in narrowed))
    numbers = ", ".join(dict.fromkeys(f"{max(map(int, one['numbers'])):,}" for one in narrowed))
    return f"site {names} through {features} random projections of {numbers} numbers"
