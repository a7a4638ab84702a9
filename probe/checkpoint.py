"""Checkpoints: weights with the layout, task, seed, step, command and digest that describe them.

A file is written to a temporary name and moved into place; it is read without executing anything in it
(``weights_only=True``), and its digest, over every tensor and the description, is verified on load.
"""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from probe.capture import DescribedModel, NativeModel, huggingface
from probe.config import ModelConfig
from probe.errors import ProbeError
from probe.models import ResidualModel
from probe.records import write_atomically

FORMAT = 1


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A trained model and where it came from.

    Attributes:
        stream: the model as every verb sees it, in evaluation mode, float32 on the CPU.
        task: the task it was trained on, as text.
        dim: dimension of that task's inputs x.
        context: the largest number of examples it was trained with.
        description: everything else the file says: seed, step, command, versions, settings, errors.
        digest: SHA-256 of tensors and description, hexadecimal.
    """

    name: str
    stream: DescribedModel
    task: str
    dim: int
    context: int
    description: dict[str, Any]
    digest: str

    @property
    def model(self) -> nn.Module:
        """The module that runs."""
        return self.stream.model


@dataclass(frozen=True)
class Reader:
    """Reads what others have saved.

    Args:
        recognises: whether a path is of its kind, without reading the weights.
        name: what the checkpoint at a path is called in records.
        read: a path's checkpoint; raises `ProbeError` where something does not fit.
    """

    recognises: Callable[[Path], bool]
    name: Callable[[Path], str]
    read: Callable[[Path], Checkpoint]


def _read_huggingface(path: Path) -> Checkpoint:
    stream = huggingface.read(path)
    weights = {name: tensor for name, tensor in stream.model.state_dict().items() if isinstance(tensor, Tensor)}
    _check_finite(path, weights)
    description = {"arch": stream.kind, "source": "huggingface"}
    digest = _digest(weights, json.dumps(description, sort_keys=True))
    return Checkpoint(huggingface.name_of(path), stream, "", 0, 0, description, digest)


READERS: tuple[Reader, ...] = (Reader(huggingface.recognises, huggingface.name_of, _read_huggingface),)
"""Who is asked, in this order, whether a path is theirs; what nobody recognises is read as our own."""


def find(name: str) -> Path:
    """Returns the path that a name means: as it stands, or in checkpoints/, with or without .pt.

    Raises:
        ProbeError: if there is no such checkpoint.
    """
    folder = Path("checkpoints")
    places = [Path(name), folder / name, Path(f"{name}.pt"), folder / f"{name}.pt"]
    for place in places if Path(name).parent == Path(".") else places[::2]:
        if place.is_file() or _reader(place) is not None:
            return place
    if Path(name).is_dir():
        raise ProbeError(f"{name} is a folder, but a checkpoint file written by probe train was needed. Name the file.")
    raise ProbeError(f"There is no checkpoint {name}. Give the path of a .pt file, or train one with probe train.")


def name_of(path: Path) -> str:
    """Returns what the checkpoint at a path is called in records and file names."""
    reader = _reader(path)
    return path.stem if reader is None else reader.name(path)


def save(path: str | Path, model: ResidualModel, description: Mapping[str, Any]) -> str:
    """Writes a checkpoint and returns its digest.

    Args:
        description: JSON-able; at least ``task``, ``context``, ``seed``, ``step``, ``command``.
    """
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    text = json.dumps({"model": asdict(model.config), **description}, sort_keys=True)
    digest = _digest(weights, text)
    content = {"probe": FORMAT, "description": text, "digest": digest, "weights": weights}
    write_atomically(Path(path), lambda file: torch.save(content, file))
    return digest


def load(name: str) -> Checkpoint:
    """Reads a checkpoint by path or name, ours or one that a reader recognises; nothing in a file is executed.

    Raises:
        ProbeError: if it is missing, damaged, truncated, unknown, altered, or holds weights that are not finite.
    """
    path = find(name)
    reader = _reader(path)
    return _read_own(path) if reader is None else reader.read(path)


def _reader(path: Path) -> Reader | None:
    return next((reader for reader in READERS if reader.recognises(path)), None)


def _read_own(path: Path) -> Checkpoint:
    content = _read(path)
    if not isinstance(content, dict) or content.get("probe") != FORMAT:
        raise ProbeError(
            f"{path} was not written by probe train. Train a checkpoint with probe train, or give another file."
        )
    weights: dict[str, Tensor] = content.get("weights") or {}
    text: str = content.get("description") or ""
    if not _well_formed(weights, text) or _digest(weights, text) != content.get("digest"):
        raise ProbeError(f"{path} is damaged: its contents do not match its digest. Copy or train the file anew.")
    _check_finite(path, weights)
    description = json.loads(text)
    model = _build(path, description, weights)
    return Checkpoint(
        path.stem,
        NativeModel(model),
        description["task"],
        int(description.get("dim", model.config.dim)),
        int(description["context"]),
        description,
        content["digest"],
    )


def save_state(path: str | Path, state: Mapping[str, Any]) -> None:
    """Writes a training state, tensors and plain values, that `load_state` reads back."""
    write_atomically(Path(path), lambda file: torch.save(dict(state), file))


def load_state(path: str | Path) -> dict[str, Any]:
    """Reads a training state.

    Raises:
        ProbeError: if it is missing or unreadable.
    """
    if not Path(path).is_file():
        raise ProbeError(f"There is no {path} to resume from. Start the training without --resume.")
    state = _read(Path(path))
    if not isinstance(state, dict) or "step" not in state:
        raise ProbeError(f"{path} is not the state of a training. Start the training without --resume.")
    return state


def device_named(name: str) -> torch.device:
    """Returns the device a flag names; ``auto`` is a GPU where there is one.

    Raises:
        ProbeError: if torch knows no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ProbeError(
            f"--device {name} was given, but torch finds no such device here. Use --device cpu."
        ) from error
    return device


def _read(path: Path) -> Any:
    try:
        path.open("rb").close()
    except OSError as error:
        raise ProbeError(f"{path} cannot be read ({error.strerror}). Check the file and its permissions.") from error
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ProbeError(
            f"{path} holds something other than plain weights (it may be damaged, or try to run code) and was not "
            "loaded. Give a checkpoint written by probe train."
        ) from error
    except Exception as error:  # torch.load lets many kinds of error escape from a damaged file
        raise ProbeError(
            f"{path} is not a checkpoint, or is damaged or truncated. Give a checkpoint written by probe train."
        ) from error


def _well_formed(weights: object, text: object) -> bool:
    return (
        isinstance(text, str)
        and isinstance(weights, dict)
        and all(isinstance(key, str) and isinstance(value, Tensor) for key, value in weights.items())
    )


def _check_finite(path: Path, weights: Mapping[str, Tensor]) -> None:
    for key, tensor in weights.items():
        if not bool(torch.isfinite(tensor).all()):
            raise ProbeError(f"{path} holds weights that are not finite ({key}). Its training diverged; train anew.")


def _digest(weights: Mapping[str, Tensor], text: str) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(weights):
        tensor = weights[name].contiguous()
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        digest.update(tensor.view(-1).view(torch.uint8).numpy().tobytes() if tensor.numel() else b"")
    return digest.hexdigest()


def _build(path: Path, description: dict[str, Any], weights: Mapping[str, Tensor]) -> ResidualModel:
    try:
        with torch.random.fork_rng(devices=[]):
            model = ResidualModel(ModelConfig(**description["model"]))
        model.load_state_dict(weights)
    except (RuntimeError, TypeError, KeyError) as error:
        raise ProbeError(
            f"{path} describes a model that its weights do not fit. It may come from another version of probe; "
            "train it anew."
        ) from error
    return model.eval().requires_grad_(False)
