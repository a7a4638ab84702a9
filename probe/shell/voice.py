"""What a command says: on stdout what was asked for, on stderr how far it has come, notes and mistakes.

Everything that is printed passes through here, so that no control character of a foreign name reaches a terminal.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TextIO

from probe import progress, text
from probe.errors import ProbeError
from probe.processes import Processes
from probe.processes.signals import Noted
from probe.progress import Report

if TYPE_CHECKING:
    from probe.records.tables import Part

Format = Literal["table", "markdown", "csv", "json"]


@dataclass(frozen=True)
class Shell:
    """How every command speaks."""

    quiet: bool = False
    """Say nothing on stderr of how far the work has come, and no notes; mistakes are said."""
    plain: bool = False
    """Write ASCII alone, and lines instead of bars; NO_COLOR leaves out bars within tables too."""
    format: Format = "table"
    """How the answer is printed on stdout: as a table for a terminal or in Markdown, as the rows of the record, or as
    the summary that --json prints."""


@dataclass(frozen=True)
class Call:
    """One call of a command.

    Attributes:
        name: of the command.
        command: the whole line that was typed.
        shell: how to answer.
        asked: whether the process was asked to end.
    """

    name: str
    command: str
    shell: Shell
    processes: Processes
    asked: Noted = field(default_factory=Noted)

    def say(self, words: str) -> None:
        """Prints what was asked for."""
        write(sys.stdout, text.plain(words) if self.shell.plain else words)

    def say_parts(self, parts: Sequence[Part]) -> None:
        """Prints lines and tables as the user asked for them."""
        from probe.records.tables import in_markdown, on_terminal

        if self.shell.format == "markdown":
            self.say(in_markdown(parts))
            return
        drawn = not (self.shell.plain or os.environ.get("NO_COLOR")) and _has_blocks(sys.stdout)
        words = on_terminal(parts, bars=drawn)
        self.say(words if _fits(words, sys.stdout) else on_terminal(parts, bars=False))

    def say_json(self, value: object) -> None:
        """Prints an object as JSON in one line; NaN becomes null."""
        from probe.records import plain

        write(sys.stdout, json.dumps(plain(value), allow_nan=False))

    def hint(self, words: str) -> None:
        """Prints what the next command could be, on stderr, where a reader sits before a table."""
        if not self.shell.quiet and self.shell.format == "table":
            tell(f"next: {words}")

    def note(self, words: str) -> None:
        """Prints what a reader of the results should know, on stderr."""
        if not self.shell.quiet:
            tell(f"note: {words}")

    def decided(self, words: str) -> None:
        """Prints what is known before the work is over, on stderr."""
        if not self.shell.quiet:
            tell(words)

    @contextmanager
    def progress(self) -> Iterator[Report]:
        """Yields a report function, which also ends the work where the process was asked to end."""
        with self._progress() as show:

            def report(stage: str, done: int, total: int) -> None:
                self.asked.check()
                show(stage, done, total)

            yield report

    def _progress(self) -> AbstractContextManager[Report]:
        """Returns a bar on a terminal, elsewhere a line every half minute, and nothing where that was asked for."""
        if self.shell.quiet or not self.processes.writes:
            return nullcontext(progress.silent)
        if sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb" and not self.shell.plain:
            return progress.bar(self.name)
        return progress.lines(self.name, tell)


class UnreadError(Exception):
    """Says that nobody reads what is printed any more, as after `| head`."""


def _has_blocks(stream: TextIO | None) -> bool:
    """Returns whether a stream's letters include those that bars are made of."""
    try:
        "█".encode((stream.encoding if stream else None) or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _fits(words: str, stream: TextIO | None) -> bool:
    """Returns whether no line breaks on a terminal; elsewhere lines may have any length."""
    if stream is None or not stream.isatty():
        return True
    return max(map(len, words.split("\n"))) <= shutil.get_terminal_size().columns


def write(stream: TextIO | None, words: str) -> None:
    """Writes lines without control characters, in letters that the stream's encoding has."""
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
    """Writes a line to stderr; a stderr that is closed is no error."""
    with suppress(UnreadError, ProbeError):
        write(sys.stderr, f"probe: {text.printable(words)}")
