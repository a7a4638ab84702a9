"""What a command says: on stdout what was asked for, on stderr how far it has come, notes and mistakes.

Whatever is said passes through here, so that nothing reaches a terminal that it would obey.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from typing import TextIO

from probe import progress, text
from probe.errors import ProbeError
from probe.processes import Processes


@dataclass(frozen=True)
class Shell:
    """How every command speaks."""

    quiet: bool = False
    """Say nothing on stderr of how far the work has come, and no notes; mistakes are said."""
    plain: bool = False
    """Write ASCII alone, and lines instead of bars; colours are left out by NO_COLOR too."""


@dataclass(frozen=True)
class Call:
    """One call of a command: what was typed, and how it is answered."""

    verb: str
    command: str
    shell: Shell
    processes: Processes

    def say(self, words: str) -> None:
        """Prints what was asked for."""
        write(sys.stdout, text.plain(words) if self.shell.plain else words)

    def say_json(self, value: object) -> None:
        """Prints an object as JSON in one line; what is no number is null."""
        from probe.records import plain

        write(sys.stdout, json.dumps(plain(value), allow_nan=False))

    def note(self, words: str) -> None:
        """Prints what a reader of the results should know, on stderr."""
        if not self.shell.quiet:
            tell(f"note: {words}")

    def progress(self) -> AbstractContextManager[progress.Report]:
        """Returns what shows how far the work has come: a bar on a terminal, elsewhere a line every half minute."""
        if self.shell.quiet or not self.processes.writes:
            return nullcontext(progress.silent)
        if sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb" and not self.shell.plain:
            return progress.bar(self.verb)
        return progress.lines(self.verb, tell)


class UnreadError(Exception):
    """Says that nobody reads what is printed any more, as after `| head`."""


def write(stream: TextIO | None, words: str) -> None:
    """Writes lines without anything that a terminal obeys, in letters that the stream has."""
    if stream is None:
        return
    encoding = stream.encoding or "utf-8"
    try:
        stream.write(text.terminal(words).encode(encoding, "replace").decode(encoding) + "\n")
        stream.flush()
    except OSError as error:
        with suppress(OSError, ValueError):  # what is left would be written again when the interpreter ends
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        if isinstance(error, BrokenPipeError):
            raise UnreadError from error
        reason = (error.strerror or str(error)).lower()
        raise ProbeError(f"The answer cannot be written to stdout ({reason}). Write it elsewhere.") from error


def tell(words: str) -> None:
    """Writes a line to stderr, where somebody reads it."""
    with suppress(UnreadError, ProbeError):
        write(sys.stderr, f"probe: {text.printable(words)}")
