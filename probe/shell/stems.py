"""Where a command writes: the stem that was asked for, or one that tells its settings apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from probe.files.stems import Stem, named_stem
from probe.text import file_name

FOLDER = "runs"
"""Where files go that nobody has named a place for; ignored by git."""
LONGEST = 120
"""Bytes of a default name, before its ending."""
UNTOLD = ("ckpt", "task", "kernels", "out", "overwrite", "json", "save_heads")
"""Fields whose value a default name does not repeat: it has it already, or does not depend on it."""


def stem_of(command: str, config: Any, names: Sequence[str]) -> Stem:
    """Returns the stem that --out names, or by default runs/COMMAND-CHECKPOINTS-TASK and the settings that differ.

    An ending .csv, .json, .html, .png, .pdf or .svg is left out, and the last two are the picture's. A name that ends
    in a slash is a folder, in which files have their default name.

    Args:
        names: of the checkpoints, or of what else is measured.

    Raises:
        ProbeError: if --out is no name of a file.
    """
    if config.out is None:
        return Stem(Path(FOLDER) / _default_name(command, config, names), ".png", given=False)
    if config.out.endswith("/"):
        return Stem(Path(config.out) / _default_name(command, config, names), ".png", given=False)
    return named_stem(config.out)


def _default_name(command: str, config: Any, names: Sequence[str]) -> str:
    task = getattr(config, "task", None)
    told = [command, *names, *([task] if task else [])]
    for field in fields(config):
        value = getattr(config, field.name)
        if field.name not in UNTOLD and field.default is not MISSING and value != field.default:
            each = value if isinstance(value, tuple) else (value,)
            told += [field.name, *map(str, each)]
    return file_name("-".join(told), LONGEST)
