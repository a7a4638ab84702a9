"""What the JSON of a record must hold for pictures and tables to be made of it; anybody may have written it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from probe.errors import ProbeError

BYTES = 64 * 2**20
"""The largest JSON of a record."""
NUMBER = (int, float)
PROVENANCE: dict[str, tuple[type, ...]] = {
    "kind": (str,), "command": (str,), "config": (dict,), "versions": (dict,), "models": (dict,), "units": (dict,),
    "counts": (str,), "prompts": (dict,),
       "verdict": (str, list), "supported": (bool,), "outcome": (str,), "rung": (str,), "against": (str,),
    "along_the_sequence": (str,), "errs": (list,), "criteria": (list,), "not_tested": (dict,), "notes": (list,),
    "warnings": (list,), "published": (dict,), "errors": (list,), "contexts": (list,), "processes": (int,),
    "digest": (str,), "task": (str,), "arch": (str,), "plan": (dict,), "context": (int,), "seed": (int,),
    "step": (int,), "dim": (int,), "seconds": NUMBER, "training_flops": NUMBER,
}  # fmt: skip
"""The types of the fields of a record's provenance; one that is not named here may have any type and is not read."""
MODEL: dict[str, tuple[type, ...]] = {
    "arch": (str,), "layout": (str,), "letters": (str,), "block": (str,), "task": (str,), "digest": (str,),
    "blocks": (int,), "width": (int,), "dim": (int,), "context": (int,), "symbols": (int,), "seed": (int,),
    "step": (int,), "training_flops": NUMBER, "cumulative_parameters": (list,), "cumulative_flops": (list,),
    "depths": (list,), "errors": (list,), "tasks": (dict,),
}  # fmt: skip
"""The types of the fields that describe each model."""
CRITERION: dict[str, tuple[type, ...]] = dict.fromkeys(("name", "question", "threshold", "seen", "outcome"), (str,))
"""The types of the fields of each criterion of a claim, all of which are needed."""
NUMBERS = ("cumulative_parameters", "cumulative_flops", "depths", "errors", "contexts")
TEXTS = ("notes", "warnings")
NEEDED: dict[str, tuple[str, ...]] = {
    "claim": ("config", "versions", "command", "models", "verdict", "criteria", "not_tested"),
    "compare": ("models", "verdict"),
}
"""Fields that the pictures and pages of a kind of record need."""


def check_provenance(path: Path, found: Mapping[str, Any]) -> None:
    """Raises `ProbeError` where a field of a record's JSON is missing or has another type than its readers need."""
    _check(path, "", found, PROVENANCE)
    for name in NEEDED.get(str(found.get("kind")), ()):
        if found.get(name) is None:
            raise ProbeError(f"{path} lacks {name}, which a record of probe {found['kind']} has. {_INSTEAD}")
    for model, about in (found.get("models") or {}).items():
        _check(path, f"models.{model[:60]}", about, MODEL)
    for place, criterion in enumerate(found.get("criteria") or []):
        _check(path, f"criteria.{place}", criterion, CRITERION)
        lacking = [name for name in CRITERION if name not in criterion]
        if lacking:
            raise ProbeError(f"{path} lacks criteria.{place}.{lacking[0]}. {_INSTEAD}")


_INSTEAD = "Give a record as the command wrote it."


def _check(path: Path, where: str, found: object, kinds: Mapping[str, tuple[type, ...]]) -> None:
    if not isinstance(found, Mapping):
        raise ProbeError(f"{path} says {where} in another form than a record's: a JSON object was needed. {_INSTEAD}")
    for name, allowed in kinds.items():
        value, whole = found.get(name), ".".join(filter(None, (where, name)))
        if value is None:
            continue
        if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed):
            needed = " or ".join(dict.fromkeys(_WORDS[kind] for kind in allowed))
            raise ProbeError(f"{path} says {whole} in another form than a record's: {needed} was needed. {_INSTEAD}")
        items = NUMBER if name in NUMBERS else (str,) if name in TEXTS else None
        listed = value if isinstance(value, list) else []
        if items and not all(item is None or (isinstance(item, items) and item is not True) for item in listed):
            raise ProbeError(f"{path} has a {whole} that holds something else than {_MANY[items[0]]}. {_INSTEAD}")


_WORDS: dict[type, str] = {
    str: "a text", dict: "a JSON object", list: "a list", int: "a number", float: "a number", bool: "true or false"
}  # fmt: skip
_MANY: dict[type, str] = {str: "texts", int: "numbers"}
