"""Folders that are written whole: under a temporary name, moved into place once everything is in it."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from probe.errors import ProbeError
from probe.files.owner import owned
from probe.files.places import reason_of, unwritable

UNFINISHED = "unfinished"
"""What the temporary name of a folder ends in."""


@contextmanager
def written_folder(path: str | Path, overwrite: bool = False) -> Iterator[Path]:
    """Yields a new folder to write into, and moves it into place where the body ends well; else nothing is left.

    What a killed process has left there is removed by the next one that writes this folder.

    Args:
        overwrite: whether a folder that is there already may be replaced, once the new one is whole.

    Raises:
        ProbeError: if there is one already, another process writes it, or it cannot be written.
    """
    place = Path(os.path.realpath(path))
    if place.exists() and not place.is_dir():
        raise ProbeError(f"{path} is no folder, but a folder is to be written there. Give another name.")
    if place.exists() and not overwrite and any(place.iterdir()):
        raise ProbeError(f"{path} is there already, and would be replaced. Give another --out, or add --overwrite.")
    with owned(place):
        _remove_unfinished(place)
        new = place.with_name(f".{place.name}.{uuid4().hex}.{UNFINISHED}")
        try:
            new.mkdir(parents=True)
            yield new
            _put(new, place)
        except OSError as error:
            raise unwritable(path, reason_of(error), place.exists()) from error
        finally:
            shutil.rmtree(new, ignore_errors=True)


def _put(new: Path, place: Path) -> None:
    """Moves a folder into place; one that was there is moved aside first, and removed last."""
    if not place.exists():
        new.rename(place)
        return
    old = place.with_name(f".{place.name}.{uuid4().hex}.{UNFINISHED}")
    place.rename(old)
    try:
        new.rename(place)
    except BaseException:
        old.rename(place)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _remove_unfinished(place: Path) -> None:
    left = re.compile(rf"\.{re.escape(place.name)}\.[0-9a-f]{{32}}\.{UNFINISHED}")
    with suppress(OSError):
        for each in place.parent.iterdir():
            if left.fullmatch(each.name):
                shutil.rmtree(each, ignore_errors=True)
