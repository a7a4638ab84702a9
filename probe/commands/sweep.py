"""Runs a table of trainings, a row each; those that are done are passed over, those that were stopped go on."""

from __future__ import annotations

import csv
import json
import math
import shlex
import signal
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, fields
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd

from probe import records
from probe.arguments import read
from probe.commands.keywords import takes
from probe.config import SweepConfig, TrainConfig
from probe.errors import ProbeError, suggest
from probe.files import check_writable, owned
from probe.probing.results import SweepResult
from probe.processes import StoppedError
from probe.processes.cluster import run_on
from probe.processes.jobs import Job, run_here
from probe.processes.signals import told
from probe.progress import Report, silent
from probe.randomness import key
from probe.records import versions
from probe.training.plan import make_plan

LONGEST = 150  # letters of a name; a file system allows 255, with what is appended
BYTES = 2**22
"""The largest table."""
MOST = 10_000
"""Trainings of one table."""
OURS = ("out", "resume", "overwrite", "json")
HOW = ("device", "kernel", "precision", "compile", "threads", "save_seconds")  # flags that a continuation takes too
Row = dict[str, str]


@takes(SweepConfig)
def sweep(config: SweepConfig, *, command: str = "", report: Report = silent) -> SweepResult:
    """Trains what a table asks for; the result has a row a training: its flags, outcome, steps, seconds and error.

    A training that fails does not stop the others; its outcome is the last line that it printed. A signal that ends the
    sweep is handed to its trainings, which save before they end. The result is saved as FOLDER/sweep, anew after every
    training.

    Args:
        command: what was typed, for the record.
        report: called as trainings end.

    Raises:
        ProbeError: if the table, a row, the folder or the engine does not fit, before any work, or another sweep writes
            into the folder.
        StoppedError: if a signal asked the process to end; it says which trainings were running and how to go on.
    """
    # a job on a cluster starts in a folder of its own
    folder = Path(config.out) if config.engine == "local" else Path(config.out).resolve()
    rows = _named(read_table(config.table), config.table)
    check_writable(folder / "sweep.csv")
    if config.setting and config.engine == "local":
        raise ProbeError("--setting was given, but the local engine has none. Drop it, or choose an --engine.")
    with owned(folder / "sweep.csv"):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            _run_all(config, command, rows, folder, report)
        except KeyboardInterrupt as stop:
            number = stop.number if isinstance(stop, StoppedError) else signal.SIGINT
            again = command or shlex.join(["probe", "sweep", config.table, "--out", config.out])
            raise StoppedError(f"{stop if str(stop) else told(number)}; go on with: {again}", number) from stop
        finally:
            record = _record(config, command, rows)
            records.save(record, folder / "sweep")
    return record


def _run_all(config: SweepConfig, command: str, rows: dict[str, Row], folder: Path, report: Report) -> None:
    ended = sum(_finished(folder, name) is not None for name in rows)
    waiting = [_job(folder, name, row) for name, row in rows.items() if _finished(folder, name) is None]

    def done(job: Job, code: int) -> None:
        nonlocal ended
        ended += 1
        report(job.name, ended, len(rows))
        records.save(_record(config, command, rows), folder / "sweep")

    if waiting and config.engine == "local":
        run_here(waiting, config.jobs, done)
    elif waiting:
        run_on(config.engine, config.setting, folder / "parsl", waiting, config.jobs, done)


def read_table(path: str) -> list[Row]:
    """Returns every training that a CSV asks for, its flags checked; a cell ``a|b`` stands for a row with each.

    Raises:
        ProbeError: if the file cannot be read, or a row is no training or stands there twice.
    """
    lines, columns = _cells(path)
    known = [field.name for field in fields(TrainConfig) if field.name not in OURS]
    for column in columns:
        if column not in known:
            raise ProbeError(
                f"{path} has a column {column!r}, but columns are flags of probe train. {suggest(column, known)}"
                f"Flags: {', '.join(known)}."
            )
        if columns.count(column) > 1:
            raise ProbeError(f"{path} has two columns {column}, but a flag is given once. Drop one of them.")
    rows: list[Row] = []
    for number, cells in lines:
        if len(cells) != len(columns):
            raise ProbeError(
                f"Line {number} of {path} has {len(cells)} cells, but its head has {len(columns)}. Correct the line."
            )
        given = dict(zip(columns, cells, strict=True))
        asked = math.prod(1 + cell.count("|") for cell in cells)
        if len(rows) + asked > MOST:
            raise ProbeError(f"Line {number} of {path} brings it to more than {MOST:,} trainings. Ask for fewer.")
        for row in _expanded(given):
            if row in rows:
                raise ProbeError(f"Line {number} of {path} asks for a training that stands there already. Drop it.")
            try:
                make_plan(train_config([*_flags(row), "--out", "unused.pt"]))
            except ProbeError as error:
                raise ProbeError(f"Line {number} of {path} is no training: {error}") from error
            rows.append(row)
    if not rows:
        raise ProbeError(f"{path} asks for no training. Add a line with at least a task and an arch.")
    return rows


def _cells(path: str) -> tuple[list[tuple[int, list[str]]], list[str]]:
    """Returns a table's lines with their numbers in the file, empty ones left out, and the names of its columns."""
    try:
        if Path(path).stat().st_size > BYTES:
            raise ValueError(f"it has more than {BYTES:,} bytes")
        with Path(path).open(newline="", encoding="utf-8-sig") as file:
            read = csv.reader(file, strict=True)
            lines = [(read.line_num, cells) for cells in read if cells]
    except (OSError, ValueError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ProbeError(f"{path} cannot be read as a table ({reason}). Give a CSV of flags of probe train.") from error
    head = lines.pop(0)[1] if lines else []
    return lines, [name.strip().lstrip("-").replace("-", "_") for name in head]


def train_config(flags: Sequence[str]) -> TrainConfig:
    """Returns the configuration that flags of `probe train` stand for.

    Raises:
        ProbeError: if they are none.
    """
    [config] = read(flags, "probe train", TrainConfig)
    assert isinstance(config, TrainConfig)
    return config


def _expanded(row: Row) -> Iterator[Row]:
    """Yields a row for every choice among the alternatives of its cells; an empty cell is a flag not given."""
    given = {name: [each.strip() for each in cell.split("|")] for name, cell in row.items() if cell.strip()}
    for chosen in product(*given.values()):
        yield dict(zip(given, chosen, strict=True))


def _flags(row: Row) -> list[str]:
    """Returns a row as flags; true and false are written as Python has them, and seldom so in tables."""
    words = {name: value.capitalize() if value.lower() in ("true", "false") else value for name, value in row.items()}
    return [part for name, value in words.items() for part in (f"--{name.replace('_', '-')}", value)]


def _named(rows: Sequence[Row], path: str) -> dict[str, Row]:
    named = {_name(row): row for row in rows}
    if len(named) < len(rows):
        raise ProbeError(f"Two trainings of {path} would have one name. Put them into tables and folders of their own.")
    return named


def _name(row: Row) -> str:
    """Returns the name of a training, made of all its flags, so that another table never finds the wrong one."""
    told = [value if name in ("arch", "layout", "task") else f"{name}{value}" for name, value in row.items()]
    name = "".join(letter if letter.isalnum() or letter in "_.-" else "-" for letter in "-".join(told))
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 17]}-{key(*told) % 2**64:016x}"


def _job(folder: Path, name: str, row: Row) -> Job:
    out = str(folder / f"{name}.pt")
    how = _flags({flag: value for flag, value in row.items() if flag in HOW})
    start, go_on = ("train", *_flags(row), "--out", out), ("train", "--resume", *how, "--out", out)
    return Job(name, start, go_on, Path(f"{out}.state"), folder / f"{name}.log")


def _finished(folder: Path, name: str) -> dict[str, Any] | None:
    """Returns the provenance of a training's record, once its final errors are measured."""
    with suppress(OSError, ValueError):
        found = json.loads((folder / f"{name}-training.json").read_bytes())
        if "errors" in found and (folder / f"{name}.pt").is_file():
            return dict(found)
    return None


def _record(config: SweepConfig, command: str, rows: dict[str, Row]) -> SweepResult:
    folder = Path(config.out)
    columns = list(dict.fromkeys(flag for row in rows.values() for flag in row))
    table = []
    for name, row in rows.items():
        found = _finished(folder, name)
        told = {
            "outcome": "done" if found else _said(folder / f"{name}.log"),
            "trained": found["step"] if found else None,
            "seconds": found["seconds"] if found else None,
            "error": found["errors"][-1] if found else None,
        }
        table.append({"model": name} | {flag: row.get(flag) for flag in columns} | told)
    provenance = {"kind": "sweep", "command": command, "config": asdict(config), "versions": versions()}
    return SweepResult(pd.DataFrame(table), provenance)


def _said(log: Path) -> str:
    """Returns the last line that a training has said, if it was started."""
    try:
        lines: Sequence[str] = log.read_text(errors="replace").split("\n")
    except OSError:
        return "waiting"
    return next((line for line in reversed(lines) if line.strip()), "not finished")
