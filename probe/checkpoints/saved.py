"""Reads files of torch.save, from any source, without executing anything in them."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
import torch
from torch import Tensor

from probe.errors import ProbeError

KINDS = frozenset(
    {
        torch.float16, torch.bfloat16, torch.float32, torch.float64,
        torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64,
    }
)  # fmt: skip


def read_saved(path: Path, instead: str) -> Any:
    """Returns the tensors and plain values of a file, on the CPU, in no more memory than the file's own size.

    Args:
        instead: what a user should do where it cannot be read, a sentence.

    Raises:
        ProbeError: if it cannot be read, is damaged, or would have to be executed.
    """
    try:
        path.open("rb").close()
    except OSError as error:
        raise ProbeError(f"{path} cannot be read ({error.strerror}). Check the file and its permissions.") from error
    try:
        if _is_packed(path):
            raise ProbeError(f"{path} is compressed, or damaged, and was not unpacked. {instead}")
        # by what is in the file: some versions of torch go by how its name ends
        with path.open("rb") as file, torch.serialization.safe_globals(_scalars()):
            return torch.load(file, map_location="cpu", weights_only=True)
    except ProbeError:
        raise
    except pickle.UnpicklingError as error:
        raise ProbeError(
            f"{path} holds something other than plain weights (it may be damaged, or try to run code) and was not "
            f"loaded. {instead}"
        ) from error
    except Exception as error:  # torch.load lets many kinds of error escape from a damaged file
        raise ProbeError(f"{path} is no file of weights, or is damaged or truncated. {instead}") from error


def are_plain(weights: object) -> TypeGuard[Mapping[str, Tensor]]:
    """Returns whether a value is a mapping of names to plain tensors (see `is_plain`)."""
    return isinstance(weights, dict) and all(isinstance(key, str) and is_plain(weights[key]) for key in weights)


def whole_number(value: object) -> int | None:
    """Returns a whole number that was stored as an int, a tensor or a scalar of NumPy."""
    if isinstance(value, Tensor | np.generic):
        if isinstance(value, Tensor) and (value.numel() != 1 or value.is_meta or value.layout != torch.strided):
            return None
        value = value.item()
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if type(value) is int else None


def is_plain(value: object) -> bool:
    """Returns whether a value is a dense tensor of numbers on the CPU, whose memory no larger tensor shares."""
    if not isinstance(value, Tensor) or value.layout != torch.strided or value.device.type != "cpu":
        return False
    if value.is_nested:
        return False
    # a view may claim any number of elements of a storage of one
    return value.dtype in KINDS and value.numel() * value.element_size() <= value.untyped_storage().nbytes()


def _scalars() -> list[Any]:
    """Returns the functions that rebuild single numbers of NumPy, such as the loss that many trainings save."""
    from numpy._core.multiarray import scalar

    kinds = [type(np.dtype(letter)) for letter in "?bBhHiIlLqQefd"]
    return [scalar, (scalar, "numpy.core.multiarray.scalar"), np.dtype, *kinds]


def _is_packed(path: Path) -> bool:
    """Returns whether an archive unpacks to more than its size, which no file of torch.save does."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return sum(member.file_size for member in archive.infolist()) > path.stat().st_size
