"""Locks on open files: they end with the process that holds them, however it ends."""

from __future__ import annotations

from typing import IO, Any


def lock(file: IO[Any], wait: bool = False) -> bool | None:
    """Returns whether an open file is now locked for this process alone; None where there are no locks.

    Some systems have none (Windows), and some network file systems.
    """
    try:
        import fcntl
    except ImportError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True
