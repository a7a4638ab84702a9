"""Makes a page of saved records, without the models."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from probe import records
from probe.commands.keywords import takes
from probe.config import ViewConfig
from probe.errors import ProbeError
from probe.files import check_writable, owned
from probe.pages import Page, view_page
from probe.records import Record
from probe.registries import ObjectText


@takes(ViewConfig)
def view(config: ViewConfig) -> Page:
    """Makes one HTML page of records that were saved, or of results at hand.

    Raises:
        ProbeError: if a record cannot be read, there is no page of its kind, or it cannot be written.
    """
    if config.out is not None:
        if Path(config.out).suffix != ".html":
            raise ProbeError(f"--out {config.out} was given, but a page is an .html file. Name it so.")
        check_writable(config.out)
    loaded = [_record(one) for one in config.records]
    files = [one for one in config.records if not isinstance(one, ObjectText)]
    page = view_page(loaded, files if len(files) == len(loaded) else ())
    if config.out is None:
        return page
    with owned(Path(config.out)):
        return replace(page, path=page.save(config.out, overwrite=True))


def beside(record: str) -> str:
    """Returns the page of a record that nobody has named another for."""
    return str(records.record_paths(record)[0].with_suffix(".html"))


def _record(one: str) -> Record:
    """Returns a record that was given by its name, or as an object."""
    given = one.given if isinstance(one, ObjectText) else None
    return given if isinstance(given, Record) else records.load(one)
