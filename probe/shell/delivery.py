"""How a command's result is delivered: refused before any work, measured, written with what shows it, and told."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from probe import progress, text
from probe.config import CheckConfig, ClaimConfig, CompareConfig, EvaluateConfig, FitConfig
from probe.errors import ProbeError
from probe.files.stems import Stem
from probe.processes import ALONE, Processes
from probe.shell.stems import stem_of
from probe.shell.voice import Call

if TYPE_CHECKING:
    from probe.probing.result import Result
    from probe.records import Record

Measuring = FitConfig | EvaluateConfig | CompareConfig | ClaimConfig | CheckConfig
"""Settings of the commands whose results are delivered."""
FREE = ("out", "overwrite", "json", "save_heads", "device", "batch", "kernel")
"""Settings that do not change what is measured: a record may replace one that differs in these alone."""


def deliver(config: Measuring, call: Call, run: Callable[[progress.Report], Result]) -> int:
    """Refuses what cannot be written, runs a command, writes its result and what shows it, and says what was found."""
    from probe import records
    from probe.checkpoints import called
    from probe.records.summary import SUMMARIES

    names = ["kernels"] if isinstance(config, CheckConfig) else list(map(called, config.ckpt))
    stem = stem_of(call.name, config, names)
    shown = stem.file(".html" if isinstance(config, ClaimConfig) else stem.picture)
    _refuse_others(stem, config)
    with own(*records.record_paths(stem.path), shown, processes=call.processes):
        with call.progress() as show:
            result = run(show)
        if not call.processes.writes:
            return 0
        written = result.written(_free(stem, result))
    for words in result.provenance.get("notes", ()):
        call.note(words)
    summary = SUMMARIES[result.kind]
    if config.json:
        call.say_json(summary.plain(result))
        return 0
    if call.shell.format == "csv":
        csv = next(path for path in map(Path, written) if path.suffix == ".csv")
        call.say(csv.read_text(encoding="utf-8").rstrip("\n"))
        return 0
    call.say_parts(summary.table(result))
    call.say(wrote(written))
    if not isinstance(config, CheckConfig):
        call.hint(following(call.name, stem.path, config))
    return 0


def following(verb: str, stem: str | Path, config: FitConfig | EvaluateConfig | CompareConfig | ClaimConfig) -> str:
    """Returns the command that a reader of a result is likely to want next."""
    record = shlex.quote(f"{stem}.csv")
    if verb == "evaluate" and config.task and not config.task.startswith("language"):
        return f"probe fit --ckpt {shlex.join(map(str, config.ckpt))} --task {shlex.quote(config.task)}"
    if verb == "claim":
        return f"probe plot {record} --out {shlex.quote(f'{stem}.pdf')}"
    return f"probe view {record} --out {shlex.quote(f'{stem}-page.html')}"


def _refuse_others(stem: Stem, config: Measuring) -> None:
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
