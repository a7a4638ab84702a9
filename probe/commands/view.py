"""Makes a page of saved records, without the models."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from probe import records
from probe.commands.keywords import takes
from probe.config import ViewConfig
from probe.errors import ProbeError
from probe.files import check_writable, is_being_written, owned
from probe.pages import Page, view_page
from probe.records import Record
from probe.registries import ObjectText

EVERY = 5
"""Seconds after which a page of a running training loads itself anew."""
PAUSE = 1.0
"""Seconds between two looks at the records of a running training."""
Tell = Callable[[str], None]
"""Called with a sentence for the reader."""


def _silent(sentence: str) -> None:
    pass


@takes(ViewConfig)
def view(config: ViewConfig, *, tell: Tell = _silent) -> Page:
    """Makes one HTML page of records that were saved, or of results at hand.

    Args:
        tell: called with what is to be said while trainings are followed.

    Raises:
        ProbeError: if a record cannot be read, the page cannot be written, or it is to follow trainings without a file.
    """
    if config.follow and config.out is None:
        raise ProbeError("follow was given without a file, but what is drawn anew needs one. Add out, FILE.html.")
    if config.out is None:
        return _drawn(config)
    if Path(config.out).suffix != ".html":
        raise ProbeError(f"--out {config.out} was given, but a page is an .html file. Name it so.")
    check_writable(config.out)
    with owned(Path(config.out)):
        return _followed(config, config.out, tell) if config.follow else _now(config, config.out)


def _followed(config: ViewConfig, out: str, tell: Tell) -> Page:
    """Returns the page as it stands when no training writes its records any more, or a signal ends this."""
    running, seen = _running(config.records), _changed(_shown(config.records))
    try:
        if any(running):
            _saved(_drawn(config, EVERY), out)
            tell(f"{out} is drawn anew while the training runs; open it, and end this by Ctrl+C.")
        while any(running):
            time.sleep(PAUSE)
            running, now = _running(config.records), _changed(_shown(config.records))
            if any(running) and now != seen:
                with suppress(ProbeError):  # files that belong together are exchanged one after another
                    _saved(_drawn(config, EVERY), out)
                    seen = now
    finally:
        page = _now(config, out)  # loads itself anew no more
    return page


def _now(config: ViewConfig, out: str) -> Page:
    """Saves the page as its records stand, and returns it."""
    return _saved(_drawn(config), out)


def _drawn(config: ViewConfig, every: int = 0) -> Page:
    shown = _shown(config.records)
    loaded = [_record(one) for one in shown]
    files = [one for one in shown if not isinstance(one, ObjectText)]
    return view_page(loaded, files if len(files) == len(loaded) else (), _running(shown), every)


def _saved(page: Page, out: str) -> Page:
    return replace(page, path=page.save(out, overwrite=True))


def _shown(named: Sequence[str]) -> list[str]:
    """Returns the records to show: those named, and beside a training's log that of heads fitted meanwhile."""
    shown = list(named)
    there = {records.record_paths(one)[0].absolute() for one in named if not isinstance(one, ObjectText)}
    for log in (one for one in named if not isinstance(one, ObjectText)):
        path = records.record_paths(log)[0]
        heads = path.with_name(f"{path.stem.removesuffix('-training')}-probing.csv")
        if path.stem.endswith("-training") and heads.exists() and heads.absolute() not in there:
            shown.append(str(heads))
    return shown


def _running(named: Sequence[str]) -> list[bool]:
    """Returns for each record whether a process still writes it."""
    return [not isinstance(one, ObjectText) and is_being_written(records.record_paths(one)[0]) for one in named]


def _changed(named: Sequence[str]) -> list[int]:
    """Returns when each record was written, in nanoseconds; 0 where it is not there."""
    paths = [path for one in named if not isinstance(one, ObjectText) for path in records.record_paths(one)]
    return [path.stat().st_mtime_ns if path.exists() else 0 for path in paths]


def beside(record: str) -> str:
    """Returns the page of a record that nobody has named another for."""
    return str(records.record_paths(record)[0].with_suffix(".html"))


def _record(one: str) -> Record:
    """Returns a record that was given by its name, or as an object."""
    given = one.given if isinstance(one, ObjectText) else None
    return given if isinstance(given, Record) else records.load(one)
