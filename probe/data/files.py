"""Data in files: .npz, parquet, safetensors, or a folder of .npy files that are mapped; pickles are never read."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from probe.data.data import Data
from probe.data.fields import POSITIONS, Array, as_array, unique
from probe.data.sources import Arrays, Parquet, Source, Tensors
from probe.errors import ProbeError

MOST = 8 * 2**30
"""Bytes that a .npz may unpack to: it is held in memory, and a folder of .npy files is not."""
PICKLES = (".pt", ".pth", ".pkl", ".pickle", ".bin", ".joblib")
"""Endings of files that are pickles, which run code when they are read."""


@dataclass(frozen=True, eq=False)
class Again:
    """The rows of a source as batches, again for every pass."""

    source: Source

    def __iter__(self) -> Iterator[dict[str, Array]]:
        return self.source.parts()


def read(path: str | Path) -> Data:
    """Returns the data of a file or folder, of which no more is read now than says what it holds.

    Raises:
        ProbeError: if there is none, it is of another kind, damaged, or a pickle.
    """
    place = Path(path)
    if not place.exists():
        raise ProbeError(f"There are no data at {path}, but --data names a file or folder. Correct the path.")
    if place.suffix.lower() in PICKLES:
        raise pickled(place)
    reader = _folder if place.is_dir() else READERS.get(place.suffix.lower())
    if reader is None:
        raise ProbeError(
            f"{path} ends in {place.suffix or 'nothing'}, but data are {', '.join(READERS)} or a folder of .npy files. "
            "Convert it."
        )
    source, positions = reader(place)
    return Data(batches=Again(source), positions=positions, name=place.stem or place.name)


def pickled(path: Path) -> ProbeError:
    """Returns the error for a file that is a pickle."""
    return ProbeError(
        f"{path} is a pickle or may hold one, which runs code when it is read, and pickles are never read here. Write "
        "it as .npy, .npz or safetensors."
    )


def mapped(path: Path) -> Array:
    """Returns the array of a .npy file, mapped into memory.

    Raises:
        ProbeError: if it is damaged, or holds Python objects.
    """
    try:
        with path.open("rb") as file:
            _plain(file.read(2**16), path)
        found: Array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise ProbeError(f"{path} cannot be read as .npy ({error}). Write the file anew with numpy.save.") from error
    return found


def _plain(head: bytes, path: Path) -> None:
    if head[:1] == b"\x80" or b"'descr': '|O'" in head[:256]:
        raise pickled(path)


def _checked(fields: dict[str, Array], path: Path) -> Arrays:
    return Arrays({name: as_array(one, name) for name, one in fields.items()}, str(path))


def _npz(path: Path) -> tuple[Source, Array | None]:
    try:
        with zipfile.ZipFile(path) as packed:
            size = sum(one.file_size for one in packed.infolist())
            if size > MOST:
                raise ProbeError(
                    f"{path} unpacks to {size / 2**30:.0f} GB, but a .npz is held in memory. Give a folder of .npy "
                    "files, which are mapped."
                )
            members = {_stem(one.filename, path): one for one in packed.infolist()}
            positions = members.pop(POSITIONS, None)
            names = unique(members, str(path))
            rows = {name: _member(packed, one, path) for name, one in zip(names, members.values(), strict=True)}
            places = None if positions is None else _member(packed, positions, path)
    except (zipfile.BadZipFile, ValueError, OSError, EOFError, NotImplementedError, RuntimeError) as error:
        raise ProbeError(f"{path} cannot be read as .npz ({error}). Write the file anew with numpy.savez.") from error
    return _checked(rows, path), places


def _stem(name: str, path: Path) -> str:
    if not name.endswith(".npy"):
        raise ProbeError(f"{path} holds {name[:60]!r}, but a .npz holds arrays. Write it anew with numpy.savez.")
    return name.removesuffix(".npy")


def _member(packed: zipfile.ZipFile, one: zipfile.ZipInfo, path: Path) -> Array:
    with packed.open(one) as file:
        _plain(file.read(256), path)
    with packed.open(one) as file:
        version = np.lib.format.read_magic(file)
        reading = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = reading(file)
        if dtype.hasobject:
            raise pickled(path)
        if int(np.prod(shape, dtype=float)) * dtype.itemsize > one.file_size:
            raise ValueError(f"{one.filename[:60]} says that it is larger than it is")
    with packed.open(one) as file:
        found: Array = np.lib.format.read_array(file, allow_pickle=False)
    return found


def _safetensors(path: Path) -> tuple[Source, Array | None]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as opened:
            names = list(opened.keys())
            positions = as_array(opened.get_tensor(POSITIONS), POSITIONS) if POSITIONS in names else None
    except (SafetensorError, OSError) as error:
        raise ProbeError(f"{path} cannot be read as safetensors ({error}). Write the file anew.") from error
    rows = [name for name in names if name != POSITIONS]
    return Tensors([path], dict(zip(rows, unique(rows, str(path)), strict=True))), positions


def _parquet(path: Path) -> tuple[Source, Array | None]:
    source = Parquet(path)
    unique(source.columns, str(path))
    return source, None


def _folder(path: Path) -> tuple[Source, Array | None]:
    files = sorted(path.glob("*.npy"))
    if not files:
        raise ProbeError(
            f"The folder {path} holds no .npy files, but data have one a field, such as inputs.npy and targets.npy. "
            "Write them with numpy.save."
        )
    positions = [mapped(one) for one in files if one.stem == POSITIONS]
    rows = [one for one in files if one.stem != POSITIONS]
    names = unique([one.stem for one in rows], str(path))
    return _checked(dict(zip(names, map(mapped, rows), strict=True)), path), positions[0] if positions else None


READERS: dict[str, Callable[[Path], tuple[Source, Array | None]]] = {
    ".npz": _npz,
    ".parquet": _parquet,
    ".safetensors": _safetensors,
}
"""How files are read, by their ending."""
