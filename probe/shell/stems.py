"""Where a command writes: the stem that was asked for, or one that tells its settings apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from probe.errors import ProbeError
from probe.text import file_name

FOLDER = "runs"
"""Where files go that nobody has named a place for; ignored by git."""
LONGEST = 120
"""Bytes of a default name, before its ending."""
PICTURES = (".png", ".pdf", ".svg")
LEFT_OUT = (".csv", ".json", ".html", *PICTURES)
"""Endings that a command adds itself: of a given name they are left out."""
UNTOLD = ("ckpt", "task", "out", "overwrite", "json")
"""Fields that a default name tells otherwise or not at all."""


@dataclass(frozen=True)
class Stem:
    """What the files of one command have in common.

    Attributes:
        path: their name without an ending.
        picture: the ending of the picture.
        given: whether the user has named them.
    """

    path: Path
    picture: str
    given: bool

    def file(self, ending: str) -> Path:
        """Returns the file with an ending; a name's own dots, as in mamba-v1.5, stay."""
        return self.path.with_name(f"{self.path.name}{ending}")

    def beside(self, tail: str) -> Stem:
        """Returns the stem with a tail."""
        return Stem(self.path.with_name(f"{self.path.name}-{tail}"), self.picture, self.given)


def stem_of(verb: str, config: Any, names: Sequence[str]) -> Stem:
    """Returns the stem that --out names, or by default runs/VERB-CHECKPOINTS-TASK and the settings that differ.

    An ending .csv, .json, .html, .png, .pdf or .svg is left out, and the last two are the picture's. A name that ends
    in a slash is a folder, in which files have their default name.

    Args:
        names: of the checkpoints.

    Raises:
        ProbeError: if --out is no name of a file.
    """
    if config.out is None:
        return Stem(Path(FOLDER) / _default_name(verb, config, names), ".png", given=False)
    if config.out.endswith("/"):
        return Stem(Path(config.out) / _default_name(verb, config, names), ".png", given=False)
    path = Path(config.out)
    if path.name in ("", ".."):
        raise ProbeError(
            f"--out {config.out!r} was given, but a name for files is needed. Give one, such as results/a."
        )
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise ProbeError(f"--out {config.out} was given, but that is a device and no name for files. Give one.")
    ending = path.suffix.lower()
    if ending not in LEFT_OUT or path.stem.startswith("."):
        return Stem(path, ".png", given=True)
    return Stem(path.with_suffix(""), ending if ending in PICTURES else ".png", given=True)


def _default_name(verb: str, config: Any, names: Sequence[str]) -> str:
    told = [verb, *names, config.task]
    for field in fields(config):
        value = getattr(config, field.name)
        if field.name not in UNTOLD and field.default is not MISSING and value != field.default:
            each = value if isinstance(value, tuple) else (value,)
            told += [field.name, *map(str, each)]
    return file_name("-".join(told), LONGEST)
