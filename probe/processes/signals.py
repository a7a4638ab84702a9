"""Signals that ask a process to end: SIGINT (Ctrl-C), SIGTERM (Slurm, Kubernetes, kill), SIGHUP (a closed terminal).

Most work has nothing to save and ends at once, with a message (`ending`). A training is usually in the middle of a
step, when its weights and its count of steps do not agree: there a signal is noted (`noted`), and acted upon between
steps. A signal that was ignored from the start, as by nohup, stays ignored. Only the main thread receives signals; in
any other thread these contexts change nothing.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

ASKING = tuple(name for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))  # Windows has no SIGHUP
Handler = Callable[[int, Any], None]


class StoppedError(KeyboardInterrupt):
    """Ends a process that was asked to, as an interrupt from the keyboard does.

    Attributes:
        code: the exit code, 128 and the signal's number: 130 for SIGINT, 143 for SIGTERM, 129 for SIGHUP.
    """

    def __init__(self, sentence: str, number: int = signal.SIGINT) -> None:
        super().__init__(sentence)
        self.code = 128 + number
        self.number = number


class Noted:
    """The signal that asked the process to end, if any, and whether it must end at once."""

    def __init__(self) -> None:
        self.number: int | None = None
        self.at_once = False

    def check(self) -> None:
        """Raises `StoppedError` where the process was asked to end."""
        if self.number is not None:
            raise StoppedError(told(self.number), self.number)

    def note(self, number: int, frame: object) -> None:
        """Notes a signal; a second Ctrl-C ends at once, and nothing is written any more."""
        if self.number is not None and number == signal.SIGINT:
            self.at_once = True
            raise StoppedError("interrupted twice, so nothing more was saved", number)
        self.number = number


def told(number: int) -> str:
    """Returns the words for a signal: "interrupted", or "ended by SIGTERM"."""
    return "interrupted" if number == signal.SIGINT else f"ended by {signal.Signals(number).name}"


@contextmanager
def noted(names: Sequence[str] = ASKING) -> Iterator[Noted]:
    """Yields an object that notes the signals that arrive, for code that checks it between its steps."""
    noting = Noted()
    with _handled(names, noting.note):
        yield noting


@contextmanager
def ending() -> Iterator[Noted]:
    """Turns SIGTERM and SIGHUP into an exception, as Ctrl-C is, so that files are left complete while the body runs.

    Yields an object that notes the signal too, for long work that checks it between its steps: an exception that is
    raised in a callback from C, such as a finaliser, is lost there.
    """
    noting = Noted()

    def end(number: int, frame: object) -> None:
        noting.number = number
        noting.check()

    with _handled(tuple(name for name in ASKING if name != "SIGINT"), end):
        yield noting


@contextmanager
def _handled(names: Sequence[str], handler: Handler) -> Iterator[None]:
    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for name in names:
            number = getattr(signal, name)
            if signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, handler)
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, signal.SIG_DFL if old is None else old)
