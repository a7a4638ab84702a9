"""How far long work has come: a bar on a terminal, elsewhere a line now and then."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread

Report = Callable[[str, int, int], None]
"""Called with the stage, what is done and all there is."""

SHOW_AFTER = 2.0
"""Seconds before a bar appears."""
LINE_EVERY = 30.0
"""Seconds between lines, and before the first."""
STEADY = 0.02
"""The share of a stage that must be done before what is left of it is estimated."""


def silent(stage: str, done: int, total: int) -> None:
    """Reports to nobody."""


@contextmanager
def bar(title: str) -> Iterator[Report]:
    """Yields a report function that moves a bar on stderr, which appears after two seconds and goes at the end."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[text]}", markup=False),
    )
    began = time.monotonic()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(title, total=None, visible=False, text="")

        def show(text: str, done: int, total: int) -> None:
            visible = time.monotonic() - began > SHOW_AFTER
            progress.update(task, completed=done, total=total, text=text, visible=visible)

        yield show


@dataclass
class _Stage:
    """Where work stands, and where and when the stage began that it is in."""

    text: str = ""
    done: int = 0
    total: int = 0
    first: int = 0
    began: float = field(default_factory=time.monotonic)


@contextmanager
def lines(title: str, say: Callable[[str], None]) -> Iterator[Report]:
    """Yields a report function; a line is printed every half minute, however seldom the function is called.

    Args:
        say: takes a line, from a thread of its own.
    """
    began, over, stage = time.monotonic(), Event(), _Stage()

    def show(text: str, done: int, total: int) -> None:
        if total != stage.total or done < stage.done:
            stage.first, stage.began = done, time.monotonic()
        stage.text, stage.done, stage.total = text, done, total

    def tell() -> None:
        while not over.wait(LINE_EVERY):
            say(_line(title, stage, time.monotonic() - began))

    thread = Thread(target=tell, name="progress", daemon=True)
    thread.start()
    try:
        yield show
    finally:
        over.set()
        thread.join()


def _line(title: str, stage: _Stage, elapsed: float) -> str:
    parts = [f"{title}: {stage.text}" if stage.text else title]
    if stage.total:
        parts.append(f"{stage.done:,} of {stage.total:,}")
    parts.append(f"{clock(elapsed)} elapsed")
    came = stage.done - stage.first
    if came > STEADY * stage.total and stage.done < stage.total:
        left = (time.monotonic() - stage.began) * (stage.total - stage.done) / came
        parts.append(f"about {clock(left)} left at this stage")
    return ", ".join(parts)


def clock(seconds: float) -> str:
    """Returns a time as minutes and seconds, from an hour on with hours before them."""
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"
