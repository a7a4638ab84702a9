"""Atomic writing of files, one or several that belong together.

Every file is written to a temporary name and moved into place. A process may be killed between two moves of a set.
Therefore a list of all moves is written beside the files first (``.NAME.exchange``), and the next process that reads or
writes there finishes the moves that it lists. Until the list is there the old set is valid, afterwards the new one.
Temporary files are locked by their writer; those without a lock belong to a process that has ended, and are removed.
"""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Protocol, runtime_checkable
from uuid import uuid4

from probe.errors import ProbeError
from probe.files.locks import lock
from probe.files.places import destination, reason_of, unwritable

TEMPORARY = re.compile(r"\.([0-9a-f]{32})-[0-9]+\.tmp")
LIST = re.compile(r"\.([0-9a-f]{32})\.exchange")


@runtime_checkable
class Write(Protocol):
    """Writes a file's content into an open one."""

    def __call__(self, file: BinaryIO, /) -> object:
        """Writes."""


class _Noting(io.BufferedWriter):
    """Wraps a file and keeps the first `OSError`, since libraries that write through it raise errors of their own."""

    failure: OSError | None = None

    def write(self, content: object, /) -> int:
        try:
            return super().write(content)  # type: ignore[arg-type]
        except OSError as error:
            self.failure = error
            raise


def write_atomically(path: str | Path, write: Write) -> None:
    """Gives `write` a temporary file in the path's folder and moves it into place once it is complete.

    Raises:
        ProbeError: if that fails, for whatever reason; the old file is then as it was.
    """
    write_together({Path(path): write})


def write_together(writes: Mapping[Path, Write]) -> None:
    """Writes a set of files: all of them, or none. If the process is killed between moves, `settle` finishes them.

    The files of one folder are one set.

    Raises:
        ProbeError: if that fails, for whatever reason; the old files are then as they were.
    """
    named, places = " and ".join(map(str, writes)), {path: destination(path) for path in writes}
    kept, files, token = any(place.exists() for place in places.values()), list[_Noting](), uuid4().hex
    try:
        with ExitStack() as held:
            ready: dict[Path, Path] = {}
            for number, (path, write) in enumerate(writes.items()):
                folder = places[path].parent
                folder.mkdir(parents=True, exist_ok=True)
                clean(folder)
                name, file = held.enter_context(_staged(folder, token, number))
                files.append(file)
                write(file)
                _sync(file)
                ready[name] = places[path]
            _exchange(ready, token, held)
    except OSError as error:
        raise unwritable(named, reason_of(error), kept) from error
    except (ProbeError, AssertionError):
        raise
    except Exception as error:  # of any library that writes, such as torch where the disk is full
        failure = next((file.failure for file in files if file.failure), None)
        raise unwritable(named, reason_of(failure) if failure else _told(error), kept) from error


def settle(folder: Path) -> None:
    """Finishes the moves of killed processes in a folder, or leaves them if this process may not write there."""
    for path in _matching(folder, LIST):
        with suppress(OSError, ValueError), path.open("r+b") as file:
            if lock(file) is not False:  # its writer is gone
                _move(_listed(path, file.read()))
                path.unlink(missing_ok=True)


def clean(folder: Path) -> None:
    """Finishes the moves of killed processes in a folder, and removes their incomplete temporary files."""
    settle(folder)
    for path in _matching(folder, TEMPORARY):
        with suppress(OSError), path.open("r+b") as file:
            if not _list_of(path).exists() and lock(file):
                path.unlink(missing_ok=True)


def check_writable(path: str | Path) -> None:
    """Raises `ProbeError` if a file could not be written there; leaves no file behind.

    It tries to create one, since permission bits say nothing for root and on network and read-only mounts.
    """
    try:
        folder = destination(path).parent
        while not folder.exists():
            folder = folder.parent
        with _staged(folder, uuid4().hex, 0):
            pass
    except OSError as error:
        raise unwritable(path, reason_of(error)) from error


@contextmanager
def _staged(folder: Path, token: str, number: int) -> Iterator[tuple[Path, _Noting]]:
    """Yields a new file and its temporary name, and removes a file of that name afterwards unless a list names it."""
    # unlike tempfile's, it gets the user's usual permissions
    name = folder / f".{token}-{number}.tmp"
    while True:
        file = _Noting(io.FileIO(name, "xb"))
        lock(file, wait=True)
        if os.fstat(file.fileno()).st_nlink:
            break
        file.close()  # removed as a leftover before it was locked
    try:
        yield name, file
    finally:
        with suppress(OSError):
            file.close()
        if not _list_of(name).exists():
            with suppress(OSError):
                name.unlink(missing_ok=True)


def _exchange(ready: Mapping[Path, Path], token: str, held: ExitStack) -> None:
    """Moves files into place, those of one folder by a list of what is to be moved."""
    lists: list[Path] = []
    folders = dict.fromkeys(place.parent for place in ready.values())
    for number, folder in enumerate(folders, start=len(ready)):
        moves = {name.name: place.name for name, place in ready.items() if place.parent == folder}
        if len(moves) > 1:
            name, file = held.enter_context(_staged(folder, token, number))
            file.write(json.dumps(moves).encode())
            _sync(file)
            os.replace(name, _list_of(name))
            lists.append(_list_of(name))
    try:
        _move(ready)
    except OSError:
        raise
    except BaseException:  # a signal: what was begun is finished
        _move(ready)
        raise
    finally:
        for folder in folders:
            _sync_folder(folder)
    for path in lists:
        path.unlink(missing_ok=True)


def _move(ready: Mapping[Path, Path]) -> None:
    for name, place in ready.items():
        try:
            os.replace(name, place)
        except FileNotFoundError:
            if not place.exists():
                raise
            # else it was moved before


def _listed(path: Path, content: bytes) -> dict[Path, Path]:
    """Returns the moves of a list: of temporary files within its folder, and of nothing else."""
    moves = json.loads(content)
    if not isinstance(moves, dict):
        raise ValueError("no list")
    for name, place in moves.items():
        if not TEMPORARY.fullmatch(name) or _list_of(path.with_name(name)) != path:
            raise ValueError("not of this exchange")
        if not isinstance(place, str) or Path(place).name != place:
            raise ValueError("a file of another folder")
    return {path.with_name(name): path.with_name(place) for name, place in moves.items()}


def _list_of(name: Path) -> Path:
    return name.with_name(f"{name.name.partition('-')[0]}.exchange")


def _matching(folder: Path, pattern: re.Pattern[str]) -> list[Path]:
    try:
        return sorted(folder / name for name in os.listdir(folder) if pattern.fullmatch(name))
    except OSError:
        return []


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    with suppress(OSError):  # not everywhere can a folder be opened
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def _told(error: Exception) -> str:
    """Returns the first line of a library's error."""
    if isinstance(error, MemoryError):
        return "memory ran out"
    said = str(error).strip().split("\n")[0].rstrip(".")[:200]
    return f"{type(error).__name__}: {said}" if said else type(error).__name__
