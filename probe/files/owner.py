"""Owners of outputs: if two processes would write one file, the second one is refused before it does any work.

The owner holds a lock on a hidden file beside the output, which names its process. The operating system releases the
lock when the process ends, even if it is killed; a hidden file without a lock is taken over.
"""

from __future__ import annotations

import hashlib
import os
import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from probe.errors import ProbeError
from probe.files.locks import lock
from probe.files.places import reason_of, unwritable

LONGEST = 255  # bytes of a name
HOLDER = re.compile(r"process (?P<process>\d{1,9}) on (?P<host>.*)\n")


@contextmanager
def owned(*paths: str | Path) -> Iterator[None]:
    """Owns some outputs, files or folders, while the body runs, so that another process that asks for them is refused.

    Where the system or the file system has no locks it keeps nobody away.

    Raises:
        ProbeError: if another process has one of them, or a lock cannot be put beside it.
    """
    places = {Path(os.path.realpath(path)): path for path in paths}
    with ExitStack() as held:
        for place in places:
            held.enter_context(_owned(place, places[place]))
        yield


def is_being_written(path: str | Path) -> bool:
    """Returns whether a process owns an output, as its hidden file names it; on another machine it counts as running.

    No lock is touched, so that nobody who would own the output is kept away meanwhile.
    """
    place = Path(os.path.realpath(path))
    try:
        told = HOLDER.match(place.with_name(_lock_name(place.name)).read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return False
    if told is None or told["host"] != socket.gethostname():
        return told is not None
    try:
        os.kill(int(told["process"]), 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # somebody else's process
    return True


@contextmanager
def _owned(place: Path, path: str | Path) -> Iterator[None]:
    new = [folder for folder in place.parents if not folder.exists()]
    name = place.with_name(_lock_name(place.name))
    with ExitStack() as held:
        held.callback(_remove_empty, new)
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            _lock(name, path, held)
        except OSError as error:
            raise unwritable(path, reason_of(error)) from error
        yield


def _remove_empty(new: list[Path]) -> None:
    """Removes the folders that were made, where nothing was written into them."""
    with suppress(OSError):
        for folder in new:
            folder.rmdir()


def _lock(name: Path, path: str | Path, held: ExitStack) -> None:
    """Locks a hidden file, which is removed when the stack is closed, also where a signal ends the locking."""
    while True:
        file = name.open("a+b", buffering=0)
        held.callback(_release, name, file)
        taken = lock(file)
        if taken is False:
            file.seek(0)
            holder = file.read(200).decode(errors="replace").strip() or "another process"
            raise ProbeError(
                f"{path} is being written by {holder}, but an output has one writer. Wait for it or end it, or give "
                "another --out."
            )
        if taken is None or _is(name, file):
            break
        # else its owner has just removed it
    file.truncate(0)
    file.write(f"process {os.getpid()} on {socket.gethostname()}\n".encode())


def _release(name: Path, file: BinaryIO) -> None:
    """Closes a hidden file, and removes it where nobody else owns it."""
    with suppress(OSError):
        if lock(file) is not False and _is(name, file):
            name.unlink(missing_ok=True)  # while it is locked: who opens it from now on sees that it is gone
    file.close()


def _is(name: Path, file: BinaryIO) -> bool:
    try:
        return os.path.samestat(name.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def _lock_name(name: str) -> str:
    told = f".{name}.lock"
    return told if len(os.fsencode(told)) <= LONGEST else f".{hashlib.sha256(os.fsencode(name)).hexdigest()}.lock"
