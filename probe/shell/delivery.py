"""How a command's record is delivered: refused before any work, run, written with what shows it, and told."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from probe import progress, text
from probe.config import ClaimConfig, CompareConfig, EvaluateConfig, FitConfig
from probe.errors import ProbeError
from probe.processes import ALONE, Processes
from probe.shell.stems import Stem, stem_of
from probe.shell.voice import Call

if TYPE_CHECKING:
    from probe.records import Record

FREE = ("out", "overwrite", "json", "device", "batch", "kernel")
"""Settings that a record may differ in from one that it replaces: they do not change what is measured."""


def deliver(
    config: FitConfig | EvaluateConfig | CompareConfig | ClaimConfig,
    call: Call,
    ckpt: Sequence[str],
    ending: str | None,
    run: Callable[[progress.Report], Record],
    shown: Callable[[Record, Path], bytes],
    tell: Callable[[Record], str],
    summary: Callable[[Record], dict[str, Any]],
) -> int:
    """Refuses what cannot be written, runs a verb, writes its record and what shows it, and says what was found.

    Args:
        ending: of the file that shows the record; the picture's unless given.
    """
    from probe import records
    from probe.checkpoints import find, name_of

    stem = stem_of(call.verb, config, [name_of(find(name)) for name in ckpt])
    ending = ending or stem.picture
    _refuse_others(stem, config)
    with own(*records.record_paths(stem.path), stem.file(ending), processes=call.processes):
        with call.progress() as show:
            record = run(show)
        if not call.processes.writes:
            return 0
        stem = _free(stem, record)
        page = stem.file(ending)
        written = _written(record, stem.path, page, lambda: shown(record, page))
    for words in record.provenance.get("notes", ()):
        call.note(words)
    if config.json:
        call.say_json(summary(record))
        return 0
    call.say(tell(record))
    call.say(wrote(written))
    return 0


def _refuse_others(stem: Stem, config: FitConfig | EvaluateConfig | CompareConfig | ClaimConfig) -> None:
    """Raises `ProbeError` where a record lies that was made by other settings, unless it may be replaced."""
    from probe import records

    csv, origin = records.record_paths(stem.path)
    if config.overwrite or not (stem.given and (csv.exists() or origin.exists())):
        return
    try:
        told = records.load(stem.path).provenance.get("config")
    except ProbeError:
        told = None
    own = records.plain(config)
    if isinstance(told, dict) and all(
        told.get(name, value) == value for name, value in own.items() if name not in FREE
    ):
        return
    raise ProbeError(
        f"{csv} holds a record of other settings, which this one would replace. Give another --out, or replace it with "
        "--overwrite."
    )


def wrote(paths: Sequence[str | Path]) -> str:
    """Returns the line that says which files were written."""
    return f"wrote {', '.join(text.line(path) for path in paths)}"


def _free(stem: Stem, record: Record) -> Stem:
    """Returns a stem at which no record of other checkpoints of the same names lies, if nobody has named it."""
    from probe import records

    if stem.given or not any(path.exists() for path in records.record_paths(stem.path)):
        return stem
    digests = [about.get("digest") for about in record.provenance["models"].values()]
    with suppress(ProbeError, AttributeError, KeyError, TypeError):
        known = records.load(stem.path).provenance
        if [about.get("digest") for about in known["models"].values()] == digests:
            return stem
    return stem.beside("-".join(str(digest)[:8] for digest in digests[:4]))


@contextmanager
def own(*paths: Path, processes: Processes = ALONE) -> Iterator[None]:
    """Refuses what cannot be written, or is being written by another process, before any work."""
    from probe.files import check_writable, owned

    mine = paths if processes.writes else ()
    for path in mine:
        check_writable(path)
    with owned(*mine):
        yield


def _written(record: Record, stem: Path, picture: Path, draw: Callable[[], bytes]) -> list[Path]:
    """Writes a record and its picture as one; a record whose picture fails is written all the same."""
    from probe import records

    try:
        beside = {picture: draw()}
    except KeyboardInterrupt:
        written = records.save(record, stem)
        raise KeyboardInterrupt(f"{wrote(written)}, but not {picture}") from None
    except Exception:
        records.save(record, stem)
        raise
    return [*records.save(record, stem, beside), picture]
