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


class Expected(str):
    """A stage of work whose stages differ in length, with the seconds until the end of all that were estimated.

    Attributes:
        left: None where nothing was measured yet that an estimate could rest on.
    """

    left: float | None = None

    @classmethod
    def of(cls, text: str, left: float | None) -> Expected:
        """Returns a stage's text with an estimate."""
        found = cls(text)
        found.left = left
        return found

    def left_after(self, seconds: float) -> float:
        """Returns what is left so long after it was estimated."""
        return max((self.left or 0.0) - seconds, 0.0)


def silent(stage: str, done: int, total: int) -> None:
    """Reports to nobody."""


@contextmanager
def bar(title: str) -> Iterator[Report]:
    """Yields a report function that moves a bar on stderr, which appears after two seconds and goes at the end."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, Task, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Left(TimeRemainingColumn):
        def render(self, task: Task) -> Text:
            text = task.fields["text"]
            if not isinstance(text, Expected):
                return super().render(task)
            left = "" if text.left is None else clock(text.left_after(time.monotonic() - task.fields["told"]))
            return Text(left, style="progress.remaining")

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        Left(),
        TextColumn("{task.fields[text]}", markup=False),
    )
    began = time.monotonic()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(title, total=None, visible=False, text="", told=began)

        def show(text: str, done: int, total: int) -> None:
            now = time.monotonic()
            progress.update(task, completed=done, total=total, text=text, told=now, visible=now - began > SHOW_AFTER)

        yield show


@dataclass
class _Stage:
    """Where work stands, and where and when the stage began that it is in, and when it was last told of."""

    text: str = ""
    done: int = 0
    total: int = 0
    first: int = 0
    began: float = field(default_factory=time.monotonic)
    told: float = field(default_factory=time.monotonic)


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
        stage.text, stage.done, stage.total, stage.told = text, done, total, time.monotonic()

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
    if isinstance(stage.text, Expected):
        if stage.text.left is not None:
            parts.append(f"about {clock(stage.text.left_after(time.monotonic() - stage.told))} left")
    elif came > STEADY * stage.total and stage.done < stage.total:
        left = (time.monotonic() - stage.began) * (stage.total - stage.done) / came
        parts.append(f"about {clock(left)} left at this stage")
    return ", ".join(parts)


def clock(seconds: float) -> str:
    """Returns a time as minutes and seconds, from an hour on with hours before them."""
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"
