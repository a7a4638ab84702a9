"""The description that a checkpoint of probe holds, checked when it is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from probe.config import ModelConfig
from probe.errors import ProbeError
from probe.fields import from_plain

INSTEAD = "Give a checkpoint written by probe train."
TOLD: dict[str, tuple[type, ...]] = {
    "arch": (str,), "command": (str,), "plan": (dict,), "seed": (int,), "source": (dict,), "step": (int,),
    "training_flops": (int, float),
}  # fmt: skip
"""What a file may say of itself beside its model and task, and of what kind that is."""


def described(path: Path, text: str) -> dict[str, Any]:
    """Returns the description of a checkpoint, with the fields checked that every command relies on.

    Raises:
        ProbeError: if something is missing, or is not of its kind.
    """
    try:
        found = json.loads(text)
        whole = found["context"], found.get("dim", 1)
        fits = isinstance(found["task"], str) and all(type(number) is int and number >= 0 for number in whole)
        fits = fits and (found["context"] > 0 or not found["task"])
        fits = fits and all(_is_told(found.get(name), kinds) for name, kinds in TOLD.items())
        from_plain(ModelConfig, found["model"])
        if fits and found.get("plan") is not None:
            # models that differ in their seed alone are found by these
            from_plain(ModelConfig, found["plan"]["model"])
            fits = type(found["plan"]["seed"]) is int
    except ProbeError as error:
        raise ProbeError(f"{path} describes what cannot be. {error} {INSTEAD}") from error
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        fits = False
    if not fits:
        raise ProbeError(f"{path} does not say in words of probe what it was trained on. {INSTEAD}")
    return dict(found)


def _is_told(value: object, kinds: tuple[type, ...]) -> bool:
    return value is None or (isinstance(value, kinds) and not isinstance(value, bool))
