"""Fitted linear heads: what a path solves to, callable and savable."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from probe.errors import ProbeError


@dataclass(frozen=True, eq=False)
class LinearHeads:
    """Linear maps from the stream to the targets, one a cell: ``stream @ weight + intercept``.

    Args:
        penalty: the penalty of each cell, in the unit of the path it was chosen from.
    """

    weight: Float64[Tensor, "layer context width target"]
    intercept: Float64[Tensor, "layer context target"]
    penalty: Float64[Tensor, "layer context"]

    def __call__(
        self, stream: Float[Tensor, "layer batch context width"]
    ) -> Float64[Tensor, "layer batch context target"]:
        """Predicts the targets, in float64."""
        cells = zip(stream, self.weight, self.intercept, strict=True)
        return torch.stack([affine(rows, weight, shift).transpose(0, 1) for rows, weight, shift in cells])

    def to(self, device: torch.device | str) -> LinearHeads:
        """Returns the heads on another device."""
        return LinearHeads(self.weight.to(device), self.intercept.to(device), self.penalty.to(device))

    def save(self, stem: str | Path) -> None:
        """Writes STEM.safetensors and STEM.json, each to a temporary name and moved into place."""
        from safetensors.torch import save

        tensors = {name: tensor.cpu().contiguous() for name, tensor in vars(self).items()}
        _write(Path(f"{stem}.safetensors"), save(tensors))
        _write(Path(f"{stem}.json"), (json.dumps(_about(tensors), indent=2) + "\n").encode())

    @classmethod
    def load(cls, stem: str | Path) -> LinearHeads:
        """Reads what `save` wrote; raises `ProbeError` for a missing, damaged or foreign file."""
        from safetensors import SafetensorError
        from safetensors.torch import load

        file = Path(f"{stem}.safetensors")
        try:
            about = json.loads(Path(f"{stem}.json").read_bytes())
            tensors = load(file.read_bytes())
        except OSError as error:
            raise ProbeError(f"{error.filename} cannot be read: {error.strerror}. Save the heads again.") from None
        except (ValueError, SafetensorError):
            raise ProbeError(f"{stem} holds no heads that can be read. Give the stem of saved heads.") from None
        if set(tensors) != {"weight", "intercept", "penalty"}:
            raise ProbeError(f"{file} holds other tensors than linear heads have. Give the stem of saved heads.")
        if about != _about(tensors):
            raise ProbeError(f"{file} is not what {stem}.json describes: one is damaged. Save the heads again.")
        return cls(**tensors)


def affine(
    rows: Float[Tensor, "batch context width"],
    weight: Float64[Tensor, "context width some"],
    shift: Float64[Tensor, "context some"],
) -> Float64[Tensor, "context batch some"]:
    """Returns ``rows @ weight + shift`` context by context, in float64."""
    return torch.baddbmm(shift[:, None], rows.transpose(0, 1).to(weight), weight)


def _about(tensors: dict[str, Tensor]) -> dict[str, object]:
    """Describes heads: their shape, and a digest of names, types, shapes and values."""
    state = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        state.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        state.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    axes = ("layers", "contexts", "width", "targets")
    shape = dict(zip(axes, tensors["weight"].shape, strict=False))
    return {"kind": "probe linear heads", "digest": state.hexdigest(), "shape": shape}


def _write(file: Path, content: bytes) -> None:
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        try:
            temporary.write_bytes(content)
            os.replace(temporary, file)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise ProbeError(f"{file} cannot be written: {error.strerror}. Choose another place.") from None
