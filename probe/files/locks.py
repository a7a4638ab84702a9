"""Locks on open files, which the operating system releases when their process ends in any way."""

from __future__ import annotations

from typing import IO, Any


def lock(file: IO[Any], wait: bool = False) -> bool | None:
    """Returns whether this process has locked an open file; None on a system without such locks.

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
