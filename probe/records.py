"""The tidy tables and where they came from: NAME.csv and NAME.json side by side.

A record is enough to redraw its figure and to rerun its command. Files are written to a temporary name
in their own folder and moved into place, so that a reader never meets half of one.
"""

from __future__ import annotations

import dataclasses
import io
import json
import math
import os
import platform
import stat
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

import numpy as np
import pandas as pd

from probe.errors import ProbeError, suggest

COLUMNS = [
    "model", "layer", "depth", "context", "target", "head", "mse", "error", "low", "high", "prompts"
]  # fmt: skip
TRAINING_COLUMNS = ["model", "step", "loss", "error", "rate", "seconds", "dim", "context"]

COMPARISON_COLUMNS = ["model", "other", "quantity", "context", "depth", "error", "other_error", "ratio", "low", "high"]

EVIDENCE_COLUMNS = [
    "model", "evidence", "site", "head", "layer", "other_layer", "step", "context", "metric", "value", "low", "high",
    "prompts",
]  # fmt: skip

REQUIRED = {
    "fit": COLUMNS,
    "train": TRAINING_COLUMNS,
    "evaluate": [*COLUMNS, "prompting"],
    "compare": COMPARISON_COLUMNS,
    "claim": EVIDENCE_COLUMNS,
    "language": [*COLUMNS, "task", "metric", "value"],
    "language-layers": [*COLUMNS, "task", "metric", "value"],
}
"""What the table of a kind starts with; a kind that is not named here may hold any columns."""

METRICS = {
    "accuracy": "share of right answers",
    "legal": "share of legal letters",
    "total_variation": "total variation distance",
}
"""What rows may hold beside an error, by its column; its band stands in NAME_low and NAME_high."""

TEXT = ("model", "other", "quantity", "target", "head", "prompting", "band", "site", "metric", "task", "evidence")
INTEGERS = ("layer", "other_layer", "context", "prompts", "step", "dim", "tasks")
NUMBERS = (
    "depth", "mse", "error", "low", "high", "loss", "rate", "seconds", "value",
    "scale", "scale_low", "scale_high", "shift", "shift_low", "shift_high", "penalty",
    "median", "ratio", "all_low", "all_high", "threshold", "difference", "other_depth", "other_error",
    "value_low", "value_high", "standard_error", "never", "other_never", "sooner", "later", "spacing", "other_spacing",
    *(f"{name}{end}" for name in METRICS for end in ("", "_low", "_high")),
)  # fmt: skip

Write = Callable[[BinaryIO], object]


@dataclass(frozen=True, eq=False)
class Record:
    """What a verb returns and saves: a tidy table and where it came from.

    Args:
        provenance: its kind ("fit", "train", ...), config, versions, command; made plain when saved.
    """

    table: pd.DataFrame
    provenance: dict[str, Any]


def tidy(table: pd.DataFrame) -> pd.DataFrame:
    """Returns a copy typed as a loaded table is: whole numbers nullable, other numbers float64."""
    columns: dict[str, Any] = {}
    for name in map(str, table.columns):
        column = table[name]
        if name in INTEGERS:
            columns[name] = column.astype("Float64").astype("Int64").array
        elif name in NUMBERS:
            columns[name] = column.to_numpy(dtype="float64", na_value=np.nan)
        else:
            columns[name] = column.array
    return pd.DataFrame(columns)


def record_paths(path: str | Path) -> tuple[Path, Path]:
    """Returns the CSV and the JSON of a record named by either of them or by their common stem."""
    text = str(path)
    stem = text[: -len(Path(text).suffix)] if Path(text).suffix in (".csv", ".json") else text
    return Path(f"{stem}.csv"), Path(f"{stem}.json")


def save(record: Record, stem: str | Path) -> tuple[Path, Path]:
    """Writes STEM.csv and STEM.json, both or neither, and returns their paths."""
    csv, json_path = record_paths(stem)
    _check(record.table, record.provenance, csv)
    text = tidy(record.table).to_csv(index=False, lineterminator="\n")
    origin = json.dumps(_plain(record.provenance), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    _write_together(
        {
            csv: lambda file: file.write(text.encode()),
            json_path: lambda file: file.write(origin.encode()),
        }
    )
    return csv, json_path


def load(path: str | Path) -> Record:
    """Reads a record named by its CSV, its JSON or their common stem."""
    csv, json_path = record_paths(path)
    if not csv.is_file():
        known = sorted(str(other) for other in csv.parent.glob("*.csv")) if csv.parent.is_dir() else []
        raise ProbeError(f"No record lies at {csv}. {suggest(str(csv), known)}Give the .csv a probe command wrote.")
    if not json_path.is_file():
        raise ProbeError(
            f"{csv} lacks the provenance that belongs beside it. "
            f"Put {json_path.name} back, or run again the command that wrote both."
        )
    provenance = _read_provenance(json_path)
    table = _read_table(csv)
    _check(table, provenance, csv)
    return Record(table, provenance)


def write_atomically(path: str | Path, write: Write) -> None:
    """Gives `write` a temporary file in the path's folder and moves it into place once it is complete."""
    _write_together({Path(path): write})


def check_writable(path: str | Path) -> None:
    """Raises ProbeError where a file could not be written; leaves nothing behind.

    A file is tried rather than permissions read: root, network and read-only mounts all make the bits lie.
    """
    try:
        folder = _destination(path).parent
        while not folder.exists():
            folder = folder.parent
        trial = _temporary(folder)
        try:
            trial.open("xb").close()
        finally:
            with suppress(OSError):
                trial.unlink(missing_ok=True)
    except OSError as error:
        raise _unwritable(path, error) from error


def _write_together(writes: Mapping[Path, Write]) -> None:
    """Writes every file to a temporary name before the first is moved into place."""
    ready: dict[Path, Path] = {}
    try:
        for path, write in writes.items():
            destination = _destination(path)
            destination.parent.mkdir(parents=True, exist_ok=True)
            ready[destination] = _temporary(destination.parent)
            with ready[destination].open("xb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
        for destination, temporary in ready.items():
            os.replace(temporary, destination)
    except OSError as error:
        raise _unwritable(" and ".join(map(str, writes)), error) from error
    finally:
        for temporary in ready.values():
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


def _destination(path: str | Path) -> Path:
    """Returns where the bytes would lie, links followed, or raises if no ordinary file can lie there."""
    try:
        destination = Path(os.path.realpath(path))
        mode = destination.stat().st_mode
    except FileNotFoundError:
        return destination
    except ValueError as error:
        raise ProbeError(f"{str(path)!r} is no file name. Choose another.") from error
    if stat.S_ISDIR(mode):
        raise ProbeError(f"{path} is a folder, but a file is to be written there. Add a file name.")
    if not stat.S_ISREG(mode):
        # Moving a file onto /dev/null would replace the device.
        raise ProbeError(f"{path} is not an ordinary file and cannot be replaced by one. Choose another name.")
    return destination


def _temporary(folder: Path) -> Path:
    """Returns a fresh hidden name; unlike tempfile's, its file gets the user's usual permissions."""
    return folder / f".{uuid4().hex}.tmp"


def _unwritable(path: object, error: OSError) -> ProbeError:
    reason = (error.strerror or str(error)).lower()
    return ProbeError(f"{path} cannot be written ({reason}). Choose a place that can.")


def _read_provenance(path: Path) -> dict[str, Any]:
    try:
        provenance = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ProbeError(
            f"{path} cannot be read as JSON. Restore it, or run the command that wrote it again."
        ) from error
    if not isinstance(provenance, dict):
        raise ProbeError(f"{path} holds no JSON object, as a record's provenance does. Give a record's file.")
    return provenance


def _read_table(path: Path) -> pd.DataFrame:
    """Reads every float to the bit, and a model called "NA" as that."""
    try:
        # Python's float is exact; which of pandas' own parsers are depends on its version.
        text = pd.read_csv(io.BytesIO(path.read_bytes()), dtype=str, keep_default_na=False, na_values=[""])
        return pd.DataFrame({name: _typed(str(name), text[name]) for name in text.columns})
    except (OSError, ValueError, TypeError, OverflowError) as error:
        reason = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
        raise ProbeError(f"{path} cannot be read as a record ({reason}). Give a .csv a probe command wrote.") from error


def _typed(name: str, text: pd.Series[str]) -> Any:
    """Returns a column's values: numbers where its name or all of its cells say so."""
    if name in TEXT:
        return text.array
    if name in INTEGERS:
        return pd.array([pd.NA if pd.isna(cell) else int(cell) for cell in text], dtype="Int64")
    if name not in NUMBERS:
        if len(text) and text.isin(["True", "False"]).all():
            return text.eq("True").array
        with suppress(ValueError):
            return np.array([int(cell) for cell in text], dtype=np.int64)
    try:
        return np.array([np.nan if pd.isna(cell) else float(cell) for cell in text], dtype=np.float64)
    except ValueError as error:
        if name in NUMBERS:
            raise ValueError(f"{name}: {error}") from error
        return text.array


def _check(table: pd.DataFrame, provenance: Mapping[str, Any], path: Path) -> None:
    """Raises where columns are missing, a row has no model, or a number is infinite."""
    kind = provenance.get("kind")
    missing = [name for name in REQUIRED.get(str(kind), []) if name not in table.columns]
    if kind is None and not any(set(names) <= set(table.columns) for names in REQUIRED.values()):
        missing = [name for name in COLUMNS if name not in table.columns]
    if missing:
        whose = f"probe {kind}" if kind else "probe"
        raise ProbeError(
            f"{path} lacks {', '.join(missing)}, which a record of {whose} has. Give one as the command wrote it."
        )
    if "model" in table.columns and bool(table["model"].isna().any()):
        raise ProbeError(f"{path} has a row without a model. Give a record as the command wrote it.")
    for name, column in table.select_dtypes("number").items():
        if bool(np.isinf(column.to_numpy(dtype="float64", na_value=np.nan)).any()):
            raise ProbeError(f"{path} has an infinite {name}, where finite or empty is needed. Leave such cells empty.")


def _plain(value: Any) -> Any:
    """Returns a value as JSON can hold it: NaN becomes null, infinities text, unknown objects their text."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        number = float(value)
        return number if math.isfinite(number) else None if math.isnan(number) else str(number)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in (value if isinstance(value, list | tuple) else sorted(value, key=str))]
    if isinstance(value, np.generic | np.ndarray):
        return _plain(value.tolist())
    return None if value is pd.NA else str(value)


def versions() -> dict[str, str]:
    """Returns the versions of Python, probe and the packages that decide its numbers."""
    found = {"python": platform.python_version()}
    for package in ("probe", "torch", "numpy", "numba"):
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found
