"""The place where a file would be written, and the error if none can be."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from probe.errors import ProbeError


def destination(path: str | Path) -> Path:
    """Returns the path of the file itself, with links followed.

    Raises:
        ProbeError: if no ordinary file can be written there.
    """
    try:
        found = Path(os.path.realpath(path))
        mode = found.stat().st_mode
    except FileNotFoundError:
        return found
    except ValueError as error:
        raise ProbeError(f"{str(path)!r} is no file name. Choose another.") from error
    except OSError as error:
        raise unwritable(path, reason_of(error)) from error
    if stat.S_ISDIR(mode):
        raise ProbeError(f"{path} is a folder, but a file is to be written there. Add a file name.")
    if not stat.S_ISREG(mode):
        # Moving a file onto /dev/null would replace the device.
        raise ProbeError(f"{path} is not an ordinary file and cannot be replaced by one. Choose another name.")
    return found


def unwritable(path: object, reason: str, kept: bool = False) -> ProbeError:
    """Returns the error for a file that cannot be written.

    Args:
        kept: whether a file was there before, which then still is.
    """
    old = "The old file is kept. " if kept else ""
    return ProbeError(f"{path} cannot be written ({reason}). {old}Make room there, or choose another place.")


def reason_of(error: OSError) -> str:
    """Returns the operating system's words for an error."""
    return (error.strerror or str(error)).lower()
