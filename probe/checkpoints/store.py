"""Checkpoints: weights with the layout, task, seed, step, command and digest that describe them.

A file is written to a temporary name and moved into place; it is read without executing anything in it
(``weights_only=True``), and its digest, over every tensor and the description, is verified on load.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from probe.capture import DescribedModel, NativeModel
from probe.checkpoints import huggingface, official
from probe.checkpoints.description import INSTEAD, described
from probe.checkpoints.digest import digest_of
from probe.checkpoints.misses import lone, miss_of_content, miss_of_folder
from probe.checkpoints.saved import are_plain
from probe.checkpoints.shards import is_sharded, read_shards, write_shards
from probe.checkpoints.snapshots import kept_in
from probe.checkpoints.weights import fitted, holds_weights, read_content, stored_in
from probe.checkpoints.whole import check_whole
from probe.config import ModelConfig
from probe.errors import ProbeError, closest
from probe.fields import from_plain
from probe.files import Write, write_atomically
from probe.models import ResidualModel
from probe.registries import ObjectText
from probe.text import name as clean_name

FORMAT = 1
LEARNER = "learner:"
"""What the name of a learner begins with that stands where a checkpoint may."""
REPOSITORY = Path(__file__).parents[2]
SHIPPED = Path(__file__).parent / "shipped"
"""Where an installed probe has the checkpoints that travel with it; the repository has no such folder."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A trained model and where it came from.

    Attributes:
        stream: the model as every command sees it, in evaluation mode, float32 on the CPU.
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
    digest = digest_of(weights, json.dumps(description, sort_keys=True))
    return Checkpoint(huggingface.name_of(path), stream, "", 0, 0, description, digest)


READERS: tuple[Reader, ...] = (
    Reader(official.recognises, official.name_of, _read_official),
    Reader(huggingface.recognises, huggingface.name_of, _read_huggingface),
)
"""Who is asked, in this order, whether a path is theirs; what nobody recognises is read as our own."""


def folders() -> list[Path]:
    """Returns the folders in which a bare name is sought, those that are there.

    They are, in this order, checkpoints/ here, those that the environment variable PROBE_CHECKPOINTS names, as PATH
    does, and those that came with probe: its repository's checkpoints/ or, where it was installed from a wheel, the
    folder of the checkpoints in it.
    """
    named = [Path(part) for part in os.environ.get("PROBE_CHECKPOINTS", "").split(os.pathsep) if part]
    # beside an installed package, a folder of this name is somebody else's
    own = [REPOSITORY / "checkpoints"] if (REPOSITORY / "pyproject.toml").is_file() else []
    places = [Path("checkpoints"), *named, *own, SHIPPED]
    return list({place.resolve(): place for place in reversed(places) if place.is_dir()}.values())[::-1]


def find(name: str) -> Path:
    """Returns the path that a name means: as it stands, or in one of `folders`, with or without .pt.

    Raises:
        ProbeError: if there is no such checkpoint.
    """
    bare = Path(name).parent == Path(".")
    beside = folders() if bare else []
    for place in [place / end for end in (name, f"{name}.pt") for place in (Path(), *beside)]:
        if place.is_file() or is_sharded(place) or _reader(place) is not None:
            return place
        if kept_in(place):
            return place
    if Path(name).is_dir():
        raise ProbeError(
            miss_of_folder(Path(name))
            or f"{name} is a folder, but a checkpoint was needed: a file written by probe train, the run folder of an "
            "official code base (config.yaml beside state.pt or model_STEP.pt), or a language model. Name one."
        )
    raise _absent(name, beside)


def _absent(name: str, beside: Sequence[Path]) -> ProbeError:
    """Returns the error that says where a checkpoint was sought, and what is there that has nearly its name."""
    folder = Path(name).parent
    where = ["here", *map(str, beside)] if folder == Path(".") else [str(folder)]
    known = {path.name: path for place in (*reversed(beside), folder) for path in sorted(place.glob("*.pt"))}
    near = closest(Path(name).name, list(known)) or closest(f"{Path(name).name}.pt", list(known))
    hint = f"Did you mean {known[near] if known[near].parent == folder else near}? " if near else ""
    elsewhere = "" if hint or beside or len(where) > 1 else ", name its folder by PROBE_CHECKPOINTS"
    return ProbeError(
        f"There is no checkpoint {name}; it was sought {'in ' if where[0] != 'here' else ''}{' and in '.join(where)}. "
        f"{hint}Give the path of a file or folder{elsewhere}, or train one with probe train."
    )


def expanded(names: Sequence[str]) -> tuple[str, ...]:
    """Returns names of checkpoints, for a folder of kept steps those of its steps, in their order."""
    found = [(name, [] if _at_hand(name) or name.startswith(LEARNER) else kept_in(find(name))) for name in names]
    return tuple(part for name, kept in found for part in (map(str, kept) if kept else [name]))


def called(name: str) -> str:
    """Returns the name in records and files of a checkpoint that is given by path, by name or as an object."""
    if name.startswith(LEARNER):
        return clean_name(name)
    given = _at_hand(name)
    return given.name if given else name_of(find(name))


def _at_hand(name: str) -> Checkpoint | None:
    """Returns the checkpoint that a name carries, if it was given as an object."""
    given = name.given if isinstance(name, ObjectText) else None
    return given if isinstance(given, Checkpoint) else None


def name_of(path: Path) -> str:
    """Returns the name in records and files of the checkpoint at a path."""
    if is_sharded(path) or kept_in(path):
        return clean_name(path.name)
    reader = _reader(path)
    return clean_name(path.stem if reader is None else reader.name(path))


def save(
    path: str | Path, model: ResidualModel, description: Mapping[str, Any], part_megabytes: float | None = None
) -> str:
    """Writes a checkpoint and returns its digest.

    Args:
        description: JSON-able; at least ``task``, ``context``, ``seed``, ``step``, ``command``.
        part_megabytes: writes a folder of safetensors files of at most this size instead of one file.
    """
    content, weights = _packed(model, description)
    if part_megabytes is None:
        write_atomically(Path(path), lambda file: torch.save({**content, "weights": weights}, file))
    else:
        write_shards(Path(path), content, weights, part_megabytes)
    return str(content["digest"])


def writing(model: ResidualModel, description: Mapping[str, Any]) -> tuple[str, Write]:
    """Returns a checkpoint's digest and what writes it, for those who write it together with other files."""
    content, weights = _packed(model, description)
    return str(content["digest"]), lambda file: torch.save({**content, "weights": weights}, file)


def _packed(model: ResidualModel, description: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    text = json.dumps({"model": asdict(model.config), **description}, sort_keys=True)
    return {"probe": FORMAT, "description": text, "digest": digest_of(weights, text)}, weights


def load(name: str) -> Checkpoint:
    """Reads a checkpoint by path or name, ours or one that a reader recognises; nothing in a file is executed.

    One that was given as an object is returned as it is.

    Raises:
        ProbeError: if it is missing, damaged, truncated, unknown, altered, or holds weights that are not finite.
    """
    if given := _at_hand(name):
        return given
    path = find(name)
    if kept := kept_in(path):
        raise ProbeError(
            f"{path} holds {len(kept)} steps of a training, but one checkpoint was needed. Name one, such as "
            f"{kept[-1]}."
        )
    reader = _reader(path)
    return replace(_read_own(path) if reader is None else reader.read(path), name=name_of(path))


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
    if not are_plain(weights) or not isinstance(text, str) or digest_of(weights, text) != content.get("digest"):
        raise ProbeError(f"{path} is damaged: its contents do not match its digest. Copy or train the file anew.")
    _check_finite(path, weights)
    description = described(path, text)
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


def from_model(
    stream: DescribedModel,
    name: str,
    task: str = "",
    *,
    context: int,
    dim: int | None = None,
    description: Mapping[str, Any] | None = None,
) -> Checkpoint:
    """Returns a model at hand as a checkpoint, with a digest over its tensors, so that every command takes it.

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
    digest = digest_of(tensors, json.dumps(found, sort_keys=True))
    # where tokens are symbols, tasks have no use for a dimension
    return Checkpoint(clean_name(name), stream, task, dim or stream.description.inputs or 1, context, found, digest)


def _check_finite(path: Path, weights: Mapping[str, Tensor]) -> None:
    for key, tensor in weights.items():
        if not bool(torch.isfinite(tensor).all()):
            raise ProbeError(f"{path} holds weights that are not finite ({key}). Its training diverged; train anew.")


def _is_small(config: ModelConfig) -> bool:
    """Returns whether a model of this description surely fits into a few GB, drawn at random."""
    numbers = [int(digits) for digits in re.findall(r"\d+", config.layout)]
    blocks = max(numbers, default=1) + len(config.layout)
    rows = config.dim + config.outputs + config.slots + config.symbols + 16 * config.width * blocks
    return max(numbers, default=0) <= 1024 and config.width * rows < 2**28


def blank(config: ModelConfig) -> ResidualModel:
    """Returns a model whose weights mean nothing; where it would be large, without any."""
    # a description may be of a model larger than any memory: then only the shapes are asked for, though torch takes
    # seconds to import what works them out
    with torch.random.fork_rng(devices=[]), torch.device("cpu" if _is_small(config) else "meta"):
        return ResidualModel(config)


def _build(path: Path, description: Mapping[str, Any], weights: Mapping[str, Tensor]) -> ResidualModel:
    try:
        config = from_plain(ModelConfig, description["model"])
        model = blank(config)
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
