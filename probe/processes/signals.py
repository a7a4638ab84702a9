"""Signals that ask a process to end: SIGINT (Ctrl-C), SIGTERM (Slurm, Kubernetes, kill), SIGHUP (a closed terminal).

Most work has nothing to save and ends at once, with a sentence (`ending`). A training is in the middle of a step most
of the time, when its weights are of one step and its count of another: there a signal is noted (`noted`), and looked at
between steps. A signal that was ignored from the start, as by nohup, stays ignored. Signals reach the main thread
alone; in another one nothing changes.
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
    """Whether the process was asked to end, by which signal, and whether at once."""

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
    """Returns a signal in words."""
    return "interrupted" if number == signal.SIGINT else f"ended by {signal.Signals(number).name}"


@contextmanager
def noted(names: Sequence[str] = ASKING) -> Iterator[Noted]:
    """Yields what notes the signals that arrive, so that they are looked at where it suits."""
    noting = Noted()
    with _handled(names, noting.note):
        yield noting


@contextmanager
def ending() -> Iterator[None]:
    """Makes SIGTERM and SIGHUP end what runs as Ctrl-C does, by an exception, so that nothing is left half done."""
    with _handled(tuple(name for name in ASKING if name != "SIGINT"), _raise):
        yield


def _raise(number: int, frame: object) -> None:
    raise StoppedError(told(number), number)


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
