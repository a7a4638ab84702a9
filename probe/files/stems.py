"""The name that the files of one result have in common."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from probe.errors import ProbeError

PICTURES = (".png", ".pdf", ".svg")
LEFT_OUT = (".csv", ".json", ".html", *PICTURES)
"""Endings that a command adds itself: of a given name they are left out."""


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


def named_stem(out: str, called: str = "--out") -> Stem:
    """Returns the stem that a user has named; an ending of a record's file is left out, .pdf or .svg is the picture's.

    Args:
        called: what the name is called in the sentence of an error.

    Raises:
        ProbeError: if it is no name of a file.
    """
    path = Path(out)
    if path.name in ("", ".."):
        raise ProbeError(f"{called} {out!r} was given, but a name for files is needed. Give one, such as results/a.")
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise ProbeError(f"{called} {out} was given, but that is a device and no name for files. Give one.")
    ending = path.suffix.lower()
    if ending not in LEFT_OUT or path.stem.startswith("."):
        return Stem(path, ".png", given=True)
    return Stem(path.with_suffix(""), ending if ending in PICTURES else ".png", given=True)
