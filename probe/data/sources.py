"""Where rows come from, a part at a time: arrays, memory-mapped files, safetensors, parquet, batches."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from probe.data.fields import Array, as_array, flat, lengths
from probe.errors import ProbeError

BYTES = 16 * 2**20
"""About so many bytes of a file are read at a time."""


@runtime_checkable
class Source(Protocol):
    """Rows in parts, which can be gone through again and again from any part on."""

    def parts(self, first: int = 0) -> Iterator[dict[str, Array]]:
        """Yields the fields of one part after the other, from the first-th on."""


@dataclass(frozen=True, eq=False)
class Arrays:
    """Rows of arrays that are in memory, or mapped into it."""

    fields: Mapping[str, Array]
    where: str

    def parts(self, first: int = 0) -> Iterator[dict[str, Array]]:
        """Yields slices, of which nothing is copied."""
        count = lengths(self.fields, self.where)
        step = rows_at_a_time(self.fields.values())
        for start in range(first * step, count, step):
            yield {name: one[start : start + step] for name, one in self.fields.items()}


@dataclass(frozen=True, eq=False)
class Batches:
    """Rows of an iterable of batches, each a mapping of fields."""

    batches: Iterable[Mapping[str, object]]

    def parts(self, first: int = 0) -> Iterator[dict[str, Array]]:
        """Yields the batches from the first-th on."""
        for number, batch in islice(_numbered(self.batches), first, None):
            if not isinstance(batch, Mapping):
                raise ProbeError(
                    f"Batch {number} is a {type(batch).__name__}, but a dictionary of fields is needed. Give for "
                    "instance {'inputs': ..., 'targets': ...}."
                )
            yield flat(batch)


@dataclass(frozen=True, eq=False)
class Tensors:
    """Rows of safetensors files, of which slices are read.

    Args:
        files: in order; every one holds the same fields.
        names: the fields by the name of their tensor.
    """

    files: Sequence[Path]
    names: Mapping[str, str]

    def parts(self, first: int = 0) -> Iterator[dict[str, Array]]:
        """Yields slices of the files, one file after the other."""
        from safetensors import SafetensorError, safe_open

        number = 0
        for path in self.files:
            try:
                with safe_open(path, framework="pt") as opened:
                    slices = {field: opened.get_slice(name) for name, field in self.names.items()}
                    counts = {field: (one.get_shape() or [0])[0] for field, one in slices.items()}
                    if not counts:
                        return
                    if len(set(counts.values())) > 1:
                        raise ProbeError(
                            f"{path} holds tensors of {' and '.join(map(str, sorted(set(counts.values()))))} rows, but "
                            "each needs a row a prompt. Write the same number."
                        )
                    row = sum(8 * int(np.prod(one.get_shape()[1:], dtype=float)) for one in slices.values())
                    count, step = next(iter(counts.values())), max(1, BYTES // max(row, 1))
                    for start in range(0, count, step):
                        if number >= first:
                            yield {field: as_array(one[start : start + step], field) for field, one in slices.items()}
                        number += 1
            except (SafetensorError, OSError) as error:
                raise ProbeError(f"{path} cannot be read as safetensors ({error}). Write the file anew.") from error


@dataclass(frozen=True, eq=False)
class Parquet:
    """Rows of a parquet file; a column is a field, whose rows may be lists."""

    path: Path

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        arrow = _arrow()
        try:
            with arrow.parquet.ParquetFile(self.path) as opened:
                return list(opened.schema_arrow.names)
        except (arrow.ArrowInvalid, arrow.ArrowNotImplementedError, OSError) as error:
            raise self._damaged(error) from error

    def parts(self, first: int = 0) -> Iterator[dict[str, Array]]:
        """Yields batches of rows."""
        arrow = _arrow()
        try:
            with arrow.parquet.ParquetFile(self.path) as opened:
                for batch in islice(opened.iter_batches(batch_size=1024), first, None):
                    named = zip(batch.schema.names, batch.columns, strict=True)
                    yield {name: as_array(_column(one, arrow), name) for name, one in named}
        except (arrow.ArrowInvalid, arrow.ArrowNotImplementedError, OSError) as error:
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> ProbeError:
        return ProbeError(f"{self.path} cannot be read as parquet ({error}). Write the file anew.")


@dataclass(frozen=True, eq=False)
class Changed:
    """The rows of a source, each part changed by a function."""

    source: Source
    change: Callable[[dict[str, Array]], dict[str, Array]]

    def parts(self, first: int = 0) -> Iterator[dict[str, Array]]:
        """Yields what the function makes of each part."""
        return map(self.change, self.source.parts(first))


@dataclass(frozen=True, eq=False)
class Beside:
    """The fields of two sources beside one another, row by row, in the parts of the first."""

    source: Source
    other: Source

    def parts(self, first: int = 0) -> Iterator[dict[str, Array]]:
        """Yields the parts of the first source with the same rows of the second.

        Raises:
            ProbeError: if one has more rows than the other.
        """
        held: dict[str, Array] = {}
        others = self.other.parts()
        for number, part in enumerate(self.source.parts()):
            count = len(next(iter(part.values())))
            while (more := len(next(iter(held.values()), ()))) < count:
                following = next(others, None)
                if following is None:
                    raise ProbeError(
                        f"The data end {count - more} rows or more before the streams do, but each stream needs its "
                        "row. Give data of the same prompts."
                    )
                held = {name: np.concatenate([held[name], one]) if held else one for name, one in following.items()}
            if number >= first:
                yield part | {name: one[:count] for name, one in held.items()}
            held = {name: one[count:] for name, one in held.items()}
        if len(next(iter(held.values()), ())) or next(others, None) is not None:
            raise ProbeError(
                "The data have more rows than the streams, but each needs its stream. Give data of the same prompts."
            )


class Rows:
    """Rows by their numbers: a part is held until another is needed, so that numbers in order cost one pass.

    Args:
        starts: the number of the first row of every part, and at the end that of all rows.
        digests: of every part, as `digest_of` gives them; a part that has another by now is refused.
    """

    def __init__(self, source: Source, starts: Sequence[int], digests: Sequence[bytes]) -> None:
        self._source, self._starts, self._digests = source, np.asarray(starts), digests
        self._parts: Iterator[dict[str, Array]] = iter(())
        self._at, self._held = -1, dict[str, Array]()

    def take(self, rows: Array) -> dict[str, Array]:
        """Returns the fields of some rows, whose numbers ascend."""
        places = np.searchsorted(self._starts, rows, side="right") - 1
        pieces = []
        for place in np.unique(places):
            part = self._part(int(place))
            inside = rows[places == place] - self._starts[place]
            pieces.append({name: one[inside] for name, one in part.items()})
        return {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}

    def _part(self, place: int) -> dict[str, Array]:
        if place < self._at or self._at < 0:
            self._parts, self._at = self._source.parts(place), place - 1
        while self._at < place:
            self._held = next(self._parts, {})
            self._at += 1
        if digest_of(self._held) != self._digests[place]:
            raise ProbeError(
                f"Part {place} of the data is another than it was in the first pass, but what is scored on may not be "
                "fitted on, so that every pass needs the same rows in the same order. Give batches that do not change."
            )
        return self._held


def digest_of(part: Mapping[str, Array]) -> bytes:
    """Returns a digest of the rows of a part."""
    digest = hashlib.blake2b(digest_size=16)
    for name, one in part.items():
        digest.update(f"{name} {one.dtype.str} {one.shape}".encode())
        digest.update(np.ascontiguousarray(one).tobytes())
    return digest.digest()


def _numbered(batches: Iterable[Any]) -> Iterator[tuple[int, Any]]:
    """Yields batches with their numbers.

    Raises:
        ProbeError: if what yields them fails.
    """
    try:
        yield from enumerate(batches)
    except ProbeError:
        raise
    except Exception as error:  # an object of the user's may fail in any way
        raise ProbeError(
            f"The next batch could not be had ({type(error).__name__}: {str(error)[:200]}), but heads need all. "
            "Correct what yields the batches."
        ) from error


def rows_at_a_time(arrays: Iterable[Array]) -> int:
    """Returns how many rows of some arrays are about as large as what is read of a file at a time."""
    row = sum(one.itemsize * int(np.prod(one.shape[1:], dtype=float)) for one in arrays)
    return max(1, BYTES // max(row, 1))


def _arrow() -> Any:
    try:
        import pyarrow.compute
        import pyarrow.parquet
    except ImportError as error:
        raise ProbeError(
            'Parquet needs the extra parquet. Install it with pip install "layerprobe[parquet]", or give .npz.'
        ) from error
    return pyarrow


def _column(column: Any, arrow: Any) -> Any:
    """Returns a column as one array: lists of equal lengths as axes, without a Python object a number.

    Raises:
        ProbeError: if lists have several lengths, or a value is missing.
    """
    shape, values = [len(column)], column
    _complete(values)
    while hasattr(values, "flatten") and hasattr(values.type, "value_type"):
        inner = values.flatten()
        rows = len(values)
        ends = arrow.compute.min_max(arrow.compute.list_value_length(values)).as_py()
        if rows and ends["min"] != ends["max"]:
            raise ProbeError(
                "A parquet column has lists of several lengths, but every prompt needs the same. Pad them, and say "
                "with mask which positions count."
            )
        shape.append(len(inner) // max(rows, 1))
        values = inner
        _complete(values)
    return values.to_numpy(zero_copy_only=False).reshape(shape)


def _complete(values: Any) -> None:
    if values.null_count:
        raise ProbeError("A parquet column has missing values, but every prompt needs one. Fill them, or drop the row.")
