"""Checkpoints: weights with the layout, task, seed, step, command and digest that describe them.

A file is written to a temporary name and moved into place; it is read without executing anything in it
(``weights_only=True``), and its digest, over every tensor and the description, is verified on load.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, get_args, get_type_hints

import torch
from torch import Tensor, nn

from probe.capture import DescribedModel, NativeModel, huggingface, official
from probe.capture.misses import lone, miss_of_content, miss_of_folder
from probe.capture.saved import are_plain, read_saved
from probe.capture.weights import fitted, holds_weights, read_content, stored_in
from probe.capture.whole import check_whole
from probe.config import ModelConfig
from probe.errors import ProbeError, suggest
from probe.models import ResidualModel
from probe.records import write_atomically
from probe.shards import is_sharded, read_shards, write_shards

FORMAT = 1
INSTEAD = "Give a checkpoint written by probe train."


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


def _read_official(path: Path) -> Checkpoint:
    run = official.read(path)
    _check_finite(path, run.model.state_dict())
    description = {"model": asdict(run.model.config), "task": run.task, "dim": run.dim, "context": run.context}
    stream = NativeModel(run.model)
    description |= run.description
    return Checkpoint(official.name_of(path), stream, run.task, run.dim, run.context, description, run.digest)


def _read_huggingface(path: Path) -> Checkpoint:
    stream = huggingface.read(path)
    weights = {name: tensor for name, tensor in stream.model.state_dict().items() if isinstance(tensor, Tensor)}
    _check_finite(path, weights)
    description = {"arch": stream.kind, "source": "huggingface"}
    digest = _digest(weights, json.dumps(description, sort_keys=True))
    return Checkpoint(huggingface.name_of(path), stream, "", 0, 0, description, digest)


TOLD: dict[str, tuple[type, ...]] = {
    "arch": (str,), "command": (str,), "plan": (dict,), "seed": (int,), "source": (dict,), "step": (int,),
    "training_flops": (int, float),
}  # fmt: skip
"""What a file may say of itself beside its task, and of what kind that is."""

READERS: tuple[Reader, ...] = (
    Reader(official.recognises, official.name_of, _read_official),
    Reader(huggingface.recognises, huggingface.name_of, _read_huggingface),
)
"""Who is asked, in this order, whether a path is theirs; what nobody recognises is read as our own."""


def find(name: str) -> Path:
    """Returns the path that a name means: as it stands, or in checkpoints/, with or without .pt.

    Raises:
        ProbeError: if there is no such checkpoint.
    """
    folder = Path("checkpoints")
    places = [Path(name), folder / name, Path(f"{name}.pt"), folder / f"{name}.pt"]
    places = places if Path(name).parent == Path(".") else places[::2]
    for place in places:
        if place.is_file() or is_sharded(place) or _reader(place) is not None:
            return place
    if Path(name).is_dir():
        raise ProbeError(
            miss_of_folder(Path(name))
            or f"{name} is a folder, but a checkpoint was needed: a file written by probe train, the run folder of an "
            "official code base (config.yaml beside state.pt or model_STEP.pt), or a language model. Name one."
        )
    sought = ", ".join(str(place) for place in places if not place.name.endswith(".pt.pt"))
    raise ProbeError(
        f"There is no checkpoint {name}. {_near(Path(name))}Sought from {Path.cwd()}: {sought}. Give the path of a .pt "
        "file or of a model's folder, or train one with probe train."
    )


def _near(path: Path) -> str:
    """Returns ``Did you mean NAME? `` where a checkpoint has a name close to one that was sought."""
    found: dict[str, str] = {}
    for folder in dict.fromkeys([path.parent, Path("checkpoints")]):
        if folder.is_dir():
            found |= {each.stem: str(each) for each in sorted(folder.glob("*.pt"))[:1000]}
    close = suggest(path.name.removesuffix(".pt"), list(found))
    stem = close.removeprefix("Did you mean ").removesuffix("? ")
    return f"Did you mean {found[stem]}? " if close else ""


def name_of(path: Path) -> str:
    """Returns what the checkpoint at a path is called in records and file names."""
    if is_sharded(path):
        return path.name
    reader = _reader(path)
    return path.stem if reader is None else reader.name(path)


def save(
    path: str | Path, model: ResidualModel, description: Mapping[str, Any], part_megabytes: float | None = None
) -> str:
    """Writes a checkpoint and returns its digest.

    Args:
        description: JSON-able; at least ``task``, ``context``, ``seed``, ``step``, ``command``.
        part_megabytes: writes a folder of safetensors files of at most this size instead of one file.
    """
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    text = json.dumps({"model": asdict(model.config), **description}, sort_keys=True)
    digest = _digest(weights, text)
    content = {"probe": FORMAT, "description": text, "digest": digest}
    if part_megabytes is None:
        write_atomically(Path(path), lambda file: torch.save({**content, "weights": weights}, file))
    else:
        write_shards(Path(path), content, weights, part_megabytes)
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
    if is_sharded(path):
        return None
    return next((reader for reader in READERS if reader.recognises(path)), None)


def _read_own(path: Path) -> Checkpoint:
    content = read_shards(path) if is_sharded(path) else read_content(path, INSTEAD)
    if not isinstance(content, dict) or "probe" not in content:
        return _read_lone(path, content)
    if content["probe"] != FORMAT:
        raise ProbeError(
            f"{path} was not written by probe train, or by another version of it (its format is "
            f"{content['probe']!r:.20}, not {FORMAT}). Train a checkpoint with probe train, or give another file."
        )
    weights, text = content.get("weights"), content.get("description")
    if not are_plain(weights) or not isinstance(text, str) or _digest(weights, text) != content.get("digest"):
        raise ProbeError(f"{path} is damaged: its contents do not match its digest. Copy or train the file anew.")
    _check_finite(path, weights)
    description = _described(path, text)
    model = _build(path, description, stored_in(weights, path).tensors)
    dim = description.get("dim", model.config.dim)
    stream, digest = NativeModel(model), content["digest"]
    return Checkpoint(name_of(path), stream, description["task"], dim, description["context"], description, digest)


def _read_lone(path: Path, content: Any) -> Checkpoint:
    """Reads a file that is not ours as what a description beside it says, or says what it is."""
    beside = {official.CONFIG: _read_official, "config.json": _read_huggingface}
    held = stored_in(content, path) if holds_weights(content) else None
    for name, read in beside.items():
        # other tools write a config.yaml too
        if held and path.with_name(name).is_file() and (read is _read_huggingface or official.describes(path)):
            return replace(read(path), name=name_of(path))
    if official.are_weights(content) or (held and official.are_weights(held.tensors)):
        raise ProbeError(
            f"{path} was not written by probe train; it looks like the weights of an official run, but no config.yaml "
            "that describes their model lies beside it. Give the run's folder."
        )
    if miss := miss_of_content(path, content):
        raise ProbeError(miss)
    raise ProbeError(
        lone(path, held.tensors)
        if held
        else f"{path} was not written by probe train. Train a checkpoint with probe train, or give another file."
    )


def of(
    stream: DescribedModel,
    name: str,
    task: str = "",
    *,
    context: int,
    dim: int | None = None,
    description: Mapping[str, Any] | None = None,
) -> Checkpoint:
    """Returns a model at hand as a checkpoint, with a digest over its tensors, so that every verb takes it.

    Args:
        name: what records and figures call it.
        task: the task it was trained on, as text, if known.
        context: the largest number of examples it was trained with.
        dim: dimension of that task's inputs x; by default that of the model's tokens.
        description: JSON-able; whatever else is known, such as ``arch``, ``seed`` and ``step``.
    """
    found = dict(description or {})
    # what runs elsewhere has weights without contents here
    tensors = {
        key: value.detach().cpu().contiguous()
        for key, value in stream.model.state_dict().items()
        if isinstance(value, Tensor) and not value.is_meta
    }
    digest = _digest(tensors, json.dumps(found, sort_keys=True))
    # where tokens are symbols, tasks have no use for a dimension
    return Checkpoint(name, stream, task, dim or stream.anatomy.inputs or 1, context, found, digest)


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
    state = read_saved(Path(path), "Start the training without --resume.")
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


def _described(path: Path, text: str) -> dict[str, Any]:
    """Returns what a file says of itself, as far as every verb relies on it."""
    try:
        found = json.loads(text)
        whole = found["context"], found.get("dim", 1)
        fits = isinstance(found["task"], str) and all(type(number) is int and number >= 0 for number in whole)
        fits = fits and (found["context"] > 0 or not found["task"])
        fits = fits and all(_is_told(found.get(name), kinds) for name, kinds in TOLD.items())
        if fits and found.get("plan") is not None:
            # models that differ in their seed alone are found by these
            fits = _are_settings(ModelConfig(**found["plan"]["model"])) and type(found["plan"]["seed"]) is int
        fits = fits and _are_settings(ModelConfig(**found["model"]))
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        fits = False
    if not fits:
        raise ProbeError(f"{path} does not say in words of probe what it was trained on. {INSTEAD}")
    return dict(found)


def _is_told(value: object, kinds: tuple[type, ...]) -> bool:
    return value is None or (isinstance(value, kinds) and not isinstance(value, bool))


def _are_settings(config: ModelConfig) -> bool:
    """Returns whether a model's settings are of the kinds and from the choices that they have, whatever its sizes."""
    choices = get_type_hints(ModelConfig, include_extras=True)
    for each in fields(config):
        value, kind = getattr(config, each.name), choices[each.name]
        if get_args(kind) and value not in get_args(kind):
            return False
        if kind is int and type(value) is not int:
            return False
    return isinstance(config.layout, str) and _is_told(config.dropout, (int, float)) and 0 <= config.dropout < 1


def _is_small(config: ModelConfig) -> bool:
    """Returns whether a model of this description surely fits into a few GB, drawn at random."""
    numbers = [int(digits) for digits in re.findall(r"\d+", config.layout)]
    blocks = max(numbers, default=1) + len(config.layout)
    rows = config.dim + config.outputs + config.slots + config.symbols + 16 * config.width * blocks
    return max(numbers, default=0) <= 1024 and config.width * rows < 2**28


def _build(path: Path, description: Mapping[str, Any], weights: Mapping[str, Tensor]) -> ResidualModel:
    try:
        config = ModelConfig(**description["model"])
        # a description may be of a model larger than any memory: then only the shapes are asked for, though torch takes
        # seconds to import what works them out
        with torch.random.fork_rng(devices=[]), torch.device("cpu" if _is_small(config) else "meta"):
            model = ResidualModel(config)
        needed = model.state_dict()
        taken = {name: each.to(needed[name].dtype) for name, each in _fitting(path, weights, needed).items()}
        model.load_state_dict(taken, assign=True)
    except ProbeError:
        raise
    except Exception as error:  # settings of any kind and size fail in many ways
        raise ProbeError(
            f"{path} describes a model that its weights do not fit. It may come from another version of probe; "
            "train it anew."
        ) from error
    return model.eval().requires_grad_(False)


def _fitting(path: Path, weights: Mapping[str, Tensor], needed: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Returns the weights that a model needs, by its own names."""
    named = fitted(weights, needed.keys())
    try:
        check_whole(path, named, {name: tensor.shape for name, tensor in needed.items()})
    except ProbeError as error:
        raise ProbeError(f"{path} describes a model that its weights do not fit. {error}") from error
    return {name: tensor for name, tensor in named.items() if name in needed}
