"""What a function of one's own has drawn for a prompt, read as tensors and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from probe.errors import ProbeError


@dataclass(frozen=True, eq=False)
class Drawn:
    """What a function drew for one prompt."""

    x: Float[Tensor, "point dim"] | Int[Tensor, " point"]
    y: Float[Tensor, "point value"] | Int[Tensor, " point"]
    latents: dict[str, Tensor]


def read(name: str, found: object, points: int) -> Drawn:
    """Returns what a function drew for one prompt of so many points.

    Args:
        name: the task's, for the sentences of errors.

    Raises:
        ProbeError: if it is not xs, ys and latents of one prompt, or holds a number that is not finite.
    """
    latent = found[2] if isinstance(found, tuple) and len(found) == 3 else {}
    if not isinstance(found, tuple) or len(found) not in (2, 3) or not isinstance(latent, Mapping):
        raise ProbeError(
            f"The task {name} returned a {type(found).__name__}, but xs, ys or xs, ys, latents are needed, the latents "
            "a dictionary. Return them in this order."
        )
    x, y = _points(name, "xs", found[0], points), _points(name, "ys", found[1], points)
    symbols = not x.is_floating_point() and x.ndim == y.ndim == 2
    if x.is_floating_point() != y.is_floating_point() or not (x.is_floating_point() or symbols):
        raise ProbeError(
            f"The task {name} drew xs of {kind_of(x[0])} and ys of {kind_of(y[0])}, but both need to be floats, or "
            "both whole numbers of shape (prompts, length), which are symbols. Convert one."
        )
    if not symbols:
        x, y = (each if each.ndim == 3 else each[..., None] for each in (x, y))
    return Drawn(x[0], y[0], {str(key): _latent(name, str(key), value) for key, value in latent.items()})


def kind_of(value: Tensor) -> str:
    """Returns in words which numbers a tensor holds, and its shape."""
    return f"{'floats' if value.is_floating_point() else 'whole numbers'} {tuple(value.shape)}"


def _points(name: str, what: str, value: object, points: int) -> Tensor:
    found = _array(name, what, value)
    if found.ndim not in (2, 3) or tuple(found.shape[:2]) != (1, points) or 0 in found.shape:
        raise ProbeError(
            f"The task {name} drew {what} of shape {tuple(found.shape)}, but asked for 1 prompt of {points} points it "
            f"needs (1, {points}) or (1, {points}, numbers). Correct the shape."
        )
    return found


def _latent(name: str, key: str, value: object) -> Tensor:
    found = _array(name, f"the latent {key}", value)
    if key == "y":
        raise ProbeError(f"The task {name} drew a latent called y, but y is the answer. Call it otherwise.")
    if found.ndim == 0 or len(found) != 1:
        raise ProbeError(
            f"The task {name} drew the latent {key} of shape {tuple(found.shape)}, but its first axis is to be the "
            "prompts, of which 1 was asked for. Add the axis."
        )
    return found[0]


def _array(name: str, what: str, value: object) -> Tensor:
    """Returns numbers as a tensor: floats as float32, whole numbers as int64, masks as they are."""
    try:
        found = value.detach().cpu() if isinstance(value, Tensor) else torch.as_tensor(_native(np.array(value)))
    except (TypeError, ValueError):
        raise ProbeError(
            f"The task {name} drew as {what} a {type(value).__name__} that is no array of numbers, but one is needed. "
            "Return a NumPy array or a tensor."
        ) from None
    if found.is_complex():
        raise ProbeError(
            f"The task {name} drew {what} as complex numbers, but real ones are needed. Return real and imaginary part."
        )
    found = found.float() if found.is_floating_point() else found
    if not bool(torch.isfinite(found).all()):
        raise ProbeError(
            f"The task {name} drew {what} with a NaN, an infinity, or a number beyond 3e38, but heads are fitted to "
            "finite numbers that float32 holds. Look for a division by 0 or a logarithm of 0."
        )
    return found if found.is_floating_point() or found.dtype == torch.bool else found.long()


def _native(numbers: NDArray[Any]) -> NDArray[Any]:
    """Returns numbers as torch takes them: in this machine's order of bytes, and of at most 8 bytes."""
    wide = numbers.dtype.kind == "f" and numbers.dtype.itemsize > 8
    return numbers.astype(np.float64 if wide else numbers.dtype.newbyteorder("="), copy=False)
