"""The tidy tables and where they came from: NAME.csv and NAME.json side by side.

A record is enough to redraw its figure and to rerun its command. Its files are exchanged as one set, so that a reader
never meets half of it, and the JSON carries the digest of the CSV, so that only those that belong together are read.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import math
import platform
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from probe.errors import ProbeError, suggest
from probe.fields import UnfitError
from probe.files import Write, settle, write_together
from probe.files.parsed import read_json
from probe.files.places import destination
from probe.records.provenance import BYTES, check_provenance
from probe.registries import ObjectText
from probe.text import cell, uncelled

DISTRIBUTION = "layerprobe"
"""What the package is called where it is installed; its module and its command are ``probe``."""
COLUMNS = [
    "model", "layer", "depth", "context", "target", "head", "mse", "error", "low", "high", "prompts"
]  # fmt: skip
TRAINING_COLUMNS = ["model", "step", "loss", "error", "rate", "seconds", "dim", "context"]

COMPARISON_COLUMNS = ["model", "other", "quantity", "context", "depth", "error", "other_error", "ratio", "low", "high"]

EVIDENCE_COLUMNS = [
    "model", "evidence", "site", "head", "layer", "other_layer", "step", "context", "metric", "value", "low", "high",
    "prompts",
]  # fmt: skip

HEALTH_COLUMNS = ["model", "site", "layer", "context", "metric", "target", "value", "low", "high", "prompts"]

KERNEL_COLUMNS = [
    "operation", "implementation", "package", "check", "device", "dtype", "tokens", "gap", "allowed", "outcome", "seen",
]  # fmt: skip

REQUIRED = {
    "fit": COLUMNS,
    "train": TRAINING_COLUMNS,
    "evaluate": [*COLUMNS, "prompting"],
    "compare": COMPARISON_COLUMNS,
    "claim": EVIDENCE_COLUMNS,
    "health": HEALTH_COLUMNS,
    "kernels": KERNEL_COLUMNS,
    "language": [*COLUMNS, "task", "metric", "value"],
    "language-layers": [*COLUMNS, "task", "metric", "value"],
}
"""What the table of a kind starts with; a kind that is not named here may hold any columns."""

METRICS = {
    "accuracy": "share of right answers",
    "balanced_accuracy": "mean share of right answers over categories",
    "legal": "share of legal letters",
    "total_variation": "total variation distance",
    "cross_entropy": "cross-entropy (nats)",
    "divergence": "cross-entropy above the least possible (nats)",
    "r2": "R², share of the target's variance explained",
}
"""What rows may hold beside an error, by its column; its band stands in NAME_low and NAME_high."""

TEXT = (
    "model", "other", "quantity", "target", "head", "prompting", "band", "site", "metric", "task", "evidence", "check",
    "device",
)  # fmt: skip
INTEGERS = ("layer", "other_layer", "context", "prompts", "step", "dim", "tasks", "tokens")
NUMBERS = (
    "depth", "mse", "error", "gap", "allowed", "low", "high", "loss", "rate", "seconds", "value",
    "scale", "scale_low", "scale_high", "shift", "shift_low", "shift_high", "penalty",
    "median", "ratio", "all_low", "all_high", "threshold", "difference", "other_depth", "other_error",
    "value_low", "value_high", "standard_error", "never", "other_never", "sooner", "later", "spacing", "other_spacing",
    *(f"{name}{end}" for name in METRICS for end in ("", "_low", "_high")),
)  # fmt: skip

DIGEST = "table_sha256"
"""The field of the JSON that holds the SHA-256 of the CSV's bytes, hexadecimal."""
TRIES, PAUSE = 3, 0.05  # seconds; readings of a pair that is just being exchanged


@dataclass(frozen=True, eq=False)
class Record:
    """What a command returns and saves: a tidy table and where it came from.

    Args:
        provenance: its kind ("fit", "train", ...), config, versions, command; made plain when saved.
    """

    table: pd.DataFrame
    provenance: dict[str, Any]


def with_dtypes(table: pd.DataFrame) -> pd.DataFrame:
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


def save(record: Record, stem: str | Path, beside: Mapping[Path, bytes] | None = None) -> tuple[Path, Path]:
    """Writes STEM.csv and STEM.json, both or neither, and returns their paths.

    Args:
        beside: further files, with their contents, that are exchanged together with the record, such as its picture.
    """
    pictures = {path: _writing(content) for path, content in (beside or {}).items()}
    write_together({**writes(record, stem), **pictures})
    return record_paths(stem)


def writes(record: Record, stem: str | Path) -> dict[Path, Write]:
    """Returns the files of a record by path, for those who write it together with other files."""
    csv, json_path = record_paths(stem)
    _check(record.table, record.provenance, csv)
    text = _celled(with_dtypes(record.table)).to_csv(index=False, lineterminator="\n").encode("utf-8", "replace")
    told = {**record.provenance, DIGEST: hashlib.sha256(text).hexdigest()}
    origin = _escaped(json.dumps(plain(told), indent=2, ensure_ascii=False, allow_nan=False)) + "\n"
    return {csv: _writing(text), json_path: _writing(origin.encode())}


def _writing(content: bytes) -> Write:
    return lambda file: file.write(content)


def _celled(table: pd.DataFrame) -> pd.DataFrame:
    """Returns a table whose texts no spreadsheet takes for formulas; reading undoes it."""
    words = [name for name, column in table.items() if not pd.api.types.is_numeric_dtype(column.dtype)]
    return table.assign(
        **{str(name): [cell(value) if isinstance(value, str) else value for value in table[name]] for name in words}
    )


def _escaped(text: str) -> str:
    """Returns JSON in which letters that would turn the writing or cannot be written stand as numbers."""
    return "".join(letter if letter.isprintable() or letter == "\n" else json.dumps(letter)[1:-1] for letter in text)


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
    settle(destination(csv).parent)
    content, provenance, together = _read_pair(csv, json_path)
    table = _read_table(csv, content)
    _check(table, provenance, csv)
    if not together:
        raise ProbeError(
            f"{csv} and {json_path.name} do not belong together: the table was changed after it was written, or is of "
            "another run. Restore both, or run again the command that wrote them."
        )
    return Record(table, provenance)


def _read_pair(csv: Path, json_path: Path) -> tuple[bytes, dict[str, Any], bool]:
    """Returns a table's bytes, its provenance, and whether they belong together as far as the provenance can tell."""
    for left in reversed(range(TRIES)):
        provenance = _read_provenance(json_path)
        try:
            content = csv.read_bytes()
        except OSError as error:
            raise ProbeError(f"{csv} cannot be read ({error.strerror}). Check the file and its permissions.") from error
        digest = provenance.pop(DIGEST, None)  # older records have none
        if digest is None or digest == hashlib.sha256(content).hexdigest():
            return content, provenance, True
        if left:
            time.sleep(PAUSE)  # they may just be exchanged
    return content, provenance, False


def _read_provenance(path: Path) -> dict[str, Any]:
    provenance = read_json(path, BYTES)
    if not isinstance(provenance, dict):
        raise ProbeError(f"{path} holds no JSON object, as a record's provenance does. Give a record's file.")
    check_provenance(path, provenance)
    return provenance


def _read_table(path: Path, content: bytes) -> pd.DataFrame:
    """Returns the table of a CSV: floats are read exactly, and a model called "NA" is no missing value."""
    try:
        # Python's float is exact; which of pandas' own parsers are depends on its version.
        text = pd.read_csv(io.BytesIO(content), dtype=str, keep_default_na=False, na_values=[""])
        texts = {name: text[name].map(uncelled, na_action="ignore") for name in text.columns}
        return pd.DataFrame({name: _typed(str(name), column) for name, column in texts.items()})
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


def at_hand(value: object) -> ObjectText:
    """Returns a record that is given as an object, with the names of its models as its text.

    Raises:
        UnfitError: if it is no record.
    """
    if not isinstance(value, Record):
        raise UnfitError("the name of a .csv or a result")
    return ObjectText(", ".join(map(str, value.provenance.get("models") or ("a record",))), value)


def plain(value: Any) -> Any:
    """Returns a value as JSON can hold it: NaN becomes null, infinities text, unknown objects their text."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        number = float(value)
        return number if math.isfinite(number) else None if math.isnan(number) else str(number)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in (value if isinstance(value, list | tuple) else sorted(value, key=str))]
    if isinstance(value, np.generic | np.ndarray):
        return plain(value.tolist())
    return None if value is pd.NA else str(value)


def versions() -> dict[str, str]:
    """Returns the versions of Python, probe and the packages that decide its numbers."""
    found = {"python": platform.python_version()}
    for package in ("probe", "torch", "numpy", "numba"):
        with suppress(PackageNotFoundError):
            found[package] = version(DISTRIBUTION if package == "probe" else package)
    return found
