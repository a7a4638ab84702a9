"""Reads JSON and YAML from any source, within bounds on size, on depth and on length once aliases are unfolded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from probe.errors import ProbeError

DEEPEST = 64
"""Lists and sections within one another."""
BYTES = {"json": 4 * 2**20, "index": 32 * 2**20, "yaml": 2**18}
"""The largest files, by kind: an index names every weight, settings few things."""
ITEMS = 20_000
"""The most items that a YAML file may have once its aliases are unfolded."""


def read_json(path: Path, most: int = BYTES["json"]) -> Any:
    """Returns the content of a JSON file.

    Args:
        most: bytes that it may be long.

    Raises:
        ProbeError: if it cannot be read, is no JSON, or too large or deep.
    """
    try:
        content = json.loads(_text(path, most))
        _check_depth(content)
    except (ValueError, RecursionError) as error:
        reason = "too deep" if isinstance(error, RecursionError) else str(error)
        raise ProbeError(f"{path} cannot be read as JSON ({reason}). Copy the file anew.") from error
    return content


def read_yaml(path: Path, instead: str) -> Any:
    """Returns the content of a YAML file; nothing in it is executed, and aliases are unfolded within bounds.

    Args:
        instead: what a user should do where it cannot be read, a sentence.

    Raises:
        ProbeError: if it cannot be read, is no plain YAML, or too large or deep.
    """
    import yaml

    try:
        text = _text(path, BYTES["yaml"])
        # nodes that aliases share are one object here, so that they can be counted before anything is made of them
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        if _unfolded(root, {}, 0) > ITEMS:
            raise ProbeError(
                f"{path} unfolds by its aliases to more than {ITEMS} items, but settings have far fewer. {instead}"
            )
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError, TypeError, AttributeError) as error:
        raise ProbeError(
            f"{path} is no plain YAML (it may be damaged, or name Python objects) and was not read. {instead}"
        ) from error


def _text(path: Path, most: int) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise ProbeError(f"{path} cannot be read ({error.strerror}). Check the file and its permissions.") from error
    if len(data) > most:
        raise ProbeError(
            f"{path} is longer than {most} bytes, more than settings take, and was not read. Copy the file anew."
        )
    return data.decode("utf-8")


def _check_depth(content: Any) -> None:
    level, depth = [content], 0
    while level:
        if depth > DEEPEST:
            raise RecursionError
        level = [
            part
            for each in level
            if isinstance(each, dict | list)
            for part in (each.values() if isinstance(each, dict) else each)
            if isinstance(part, dict | list)
        ]
        depth += 1


def _unfolded(node: Any, known: dict[int, int], depth: int) -> int:
    """Returns the number of items that a node of YAML has once its aliases are unfolded.

    Args:
        known: the numbers of the nodes that were counted, by identity; 0 of those that are being counted.
    """
    if depth > DEEPEST or known.get(id(node)) == 0:
        raise RecursionError  # too deep, or within itself
    if id(node) not in known:
        known[id(node)] = 0
        value = "" if node is None else node.value
        parts = value if isinstance(value, list) else []
        flat = [part for each in parts for part in (each if isinstance(each, tuple) else (each,))]
        # a long text counts for several items: messages repeat it
        known[id(node)] = 1 + len(value) // 32 + sum(_unfolded(part, known, depth + 1) for part in flat)
    return known[id(node)]
