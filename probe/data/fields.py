"""The fields of data: what they are called in files and keywords, and what each may hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from probe.errors import ProbeError, suggest
from probe.randomness import Purpose

Array = NDArray[Any]
Fields = Mapping[str, Array]
"""Rows of several fields, by the field's name; a named target is called ``targets.NAME``."""
PLAIN = ("inputs", "text", "targets", "weights", "mask", "groups", "split")
"""The fields that have a row for every prompt; targets may be several, each ``targets.NAME``."""
STREAMS = "streams"
"""The field of kept streams, which are no data."""
POSITIONS = "positions"
"""The field that is the same for all prompts."""
TARGET = "targets."
ONLY = "y"
"""What a target is called that was given without a name."""
PURPOSES: tuple[Purpose, ...] = ("fit", "select", "score")


def as_array(value: Any, name: str) -> Array:
    """Returns what was given for a field as an array, without a copy where it is one.

    Raises:
        ProbeError: if it is no array of numbers or words, or has masked values.
    """
    try:
        found = _array(value)
    except (ValueError, TypeError) as error:
        raise ProbeError(
            f"The field {name} was given as something that is no array, or rows of several lengths, but every prompt "
            "needs the same numbers. Pad them, and say with mask which positions count."
        ) from error
    if isinstance(found, np.ma.MaskedArray) and np.ma.is_masked(found):
        raise ProbeError(
            f"The field {name} was given as a masked array, but of what it masks there is a field of its own. Fill it, "
            "and say with mask which positions count."
        )
    if found.ndim == 0:
        raise ProbeError(
            f"The field {name} was given as one value, {str(found)[:40]!r}, but an array is needed. Give one; a file "
            "or folder is given as data as a whole."
        )
    if found.dtype == object and all(isinstance(one, str) for one in found.flat):
        found = found.astype(str)
    if found.dtype.kind not in "biufUS":
        raise ProbeError(
            f"The field {name} was given as {found.dtype}, but numbers or words are needed, of the same length for "
            "every prompt. Convert it, or pad it and give a mask."
        )
    return found


def _array(value: Any) -> Array:
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        short = value.is_floating_point() and str(value.dtype) not in ("torch.float32", "torch.float64")
        value = (value.float() if short else value).numpy()
    return value if isinstance(value, np.ndarray) else np.asarray(value)


def flat(fields: Mapping[str, object]) -> dict[str, Array]:
    """Returns fields as arrays, targets by their names.

    Args:
        fields: by name; ``targets`` may be one array or a mapping of several.

    Raises:
        ProbeError: if a field has no such name, or is no array.
    """
    found: dict[str, Array] = {}
    for name, value in fields.items():
        if value is None:
            continue
        if name == "targets" and isinstance(value, Mapping):
            found |= {known(f"{TARGET}{one}"): as_array(each, f"{TARGET}{one}") for one, each in value.items()}
        elif name == "targets":
            found[f"{TARGET}{ONLY}"] = as_array(value, name)
        else:
            found[known(name)] = as_array(value, name)
    return found


def known(name: str) -> str:
    """Returns a field's name once it is one.

    Raises:
        ProbeError: if it is none.
    """
    if name in PLAIN or (name.startswith(TARGET) and name != TARGET):
        return f"{TARGET}{ONLY}" if name == "targets" else name
    if name == POSITIONS:
        raise ProbeError(
            "A field called 'positions' was given with a row a prompt, but heads read the same tokens of every prompt. "
            "Give probe.Data(positions=...), or positions as an array of its own in a .npz, .safetensors or folder."
        )
    if name == STREAMS:
        raise ProbeError("A field called 'streams' was given, but data are what a model reads. Give it by --streams.")
    raise ProbeError(
        f"A field called {name[:60]!r} was given, which data do not have. {suggest(name[:60], [*PLAIN, POSITIONS])}"
        f"Fields: {', '.join((*PLAIN, POSITIONS))}; of several targets each is targets.NAME."
    )


def unique(names: Iterable[str], where: str) -> list[str]:
    """Returns the fields that names in a file stand for.

    Raises:
        ProbeError: if one is none, or two are the same field.
    """
    found = [known(name) for name in names]
    twice = [name for name in found if found.count(name) > 1]
    if twice:
        raise ProbeError(f"{where} holds {twice[0]} twice, but a field is given once. Drop or rename one of the two.")
    return found


def lengths(fields: Fields, where: str) -> int:
    """Returns how many rows fields have.

    Raises:
        ProbeError: if two of them have different numbers.
    """
    counts = {name: len(one) if one.ndim else 0 for name, one in fields.items()}
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise ProbeError(
            f"{where} has fields of different numbers of rows ({told}), but each needs a row a prompt. Give the same "
            "number."
        )
    return next(iter(counts.values()), 0)


def repeatable(given: Iterable[Any]) -> Iterable[Any]:
    """Returns an iterable of batches that can be gone through several times.

    Raises:
        ProbeError: if it is used up after one time.
    """
    if not isinstance(given, Iterable) or isinstance(given, Mapping | str):
        raise ProbeError(
            f"Batches were given as a {type(given).__name__}, but a list of dictionaries of fields is needed, or an "
            "object that yields them. Give for instance [{'inputs': ..., 'targets': ...}]."
        )
    if iter(given) is given:
        raise ProbeError(
            "Batches were given as a generator, which is used up after one pass, but heads take several. Give a list, "
            "or an object whose __iter__ begins anew."
        )
    return given
