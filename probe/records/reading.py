"""Where heads read a model, in words, if it is not its stream at the query."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from probe.records.store import Record
from probe.text import line

TOKENS = {"x": "", "y": "the token of y"}


def read_at(record: Record) -> str:
    """Returns the site and the token that the heads of a record read, in words; nothing for the stream at the query."""
    config = record.provenance.get("config")
    at = config.get("at") if isinstance(config, Mapping) else getattr(config, "at", None)
    sites = record.provenance.get("sites")
    found = [_site(one) for one in sites.values() if isinstance(one, Mapping)] if isinstance(sites, Mapping) else []
    token = TOKENS.get(str(at), f"{line(at)} tokens from the query") if at is not None else ""
    places = [*dict.fromkeys(found), *([token] if token else [])]
    return f"heads read {' and '.join(places)}" if places else ""


def _site(told: Mapping[str, Any]) -> str:
    name, numbers = line(told.get("name")), told.get("numbers") or ()
    if told.get("projection", "none") == "none":
        return f"site {name}"
    return f"site {name} through {told.get('features')} random projections of {max(map(int, numbers)):,} numbers"
