"""Finds the two files of a run folder, and reads the weights without executing anything in them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from probe.checkpoints.misses import miss_of_content
from probe.checkpoints.saved import whole_number
from probe.checkpoints.weights import files_in, read_content, stored_in
from probe.checkpoints.whole import check_whole
from probe.errors import ProbeError
from probe.files.parsed import BYTES

CONFIG = "config.yaml"
STATE = "state.pt"
# Grazzi et al. also keep the weights of their smallest loss
KEPT = re.compile(r"model_(\d+|best_ema_last_loss)\.pt")
# what the step is called beside the weights
STEPS = ("train_step", "step", "global_step", "iter_num")
# what keys of the three code bases begin with
ROOTS = ("_read_in.", "_read_out.", "_backbone.", "encoder.", "decoder.", "rnn_layers.", "wpe.")
# keys of the shells of the three code bases
SHELLS = ("model_state_dict", "_read_in.weight", "_backbone.backbone.embedding.weight", "encoder.weight")


@dataclass(frozen=True)
class Run:
    """A run folder, its configuration and the weights that are to be read."""

    folder: Path
    config: Path
    weights: Path


def recognises(path: Path) -> bool:
    """Returns whether a path is an official run folder, or a weights file within one."""
    if path.is_dir():
        return bool(_weights_of(path)) or _describes_a_model(path / CONFIG)
    return path.is_file() and _is_weights(path.name) and _describes_a_model(path.with_name(CONFIG))


def name_of(path: Path) -> str:
    """Returns the name of a run in records: that of its folder, with the step if a kept step was named."""
    if path.is_dir():
        return path.resolve().name
    kept = KEPT.fullmatch(path.name)
    return path.resolve().parent.name + (f"-{kept[1]}" if kept else "")


def locate(path: Path) -> Run:
    """Returns the files of a run: of a folder, state.pt if it is there, otherwise the kept weights of the last step.

    Raises:
        ProbeError: if one of them is missing.
    """
    folder = path if path.is_dir() else path.parent
    config = folder / CONFIG
    if not config.is_file():
        raise ProbeError(
            f"{folder} holds the weights of an official run, but no {CONFIG}, which says what they are of. "
            "Put the one that its train.py wrote beside them."
        )
    found = _weights_of(folder) or (_lone(folder) if path.is_dir() else [])
    if path.is_dir() and not found:
        raise ProbeError(
            f"{folder} holds a {CONFIG}, but neither {STATE} nor model_STEP.pt. Put the run's weights beside it."
        )
    return Run(folder, config, found[0] if path.is_dir() else path)


def read_weights(run: Run) -> tuple[dict[str, Tensor], int | None]:
    """Returns a run's tensors by their official keys, and the training step of the file, or None if it is not known.

    Raises:
        ProbeError: if the file cannot be read, would have to be executed, or holds no weights.
    """
    instead = "Save its model_state_dict alone, with torch.save, or copy it anew."
    content = read_content(run.weights, instead)
    try:
        stored = stored_in(content, run.weights, instead)
    except ProbeError as error:
        raise ProbeError(
            miss_of_content(run.weights, content)
            or f"{run.weights} holds no weights of an official run (a model_state_dict, or tensors by name). "
            "Give what their train.py saved."
        ) from error
    check_whole(run.weights, stored.tensors)
    kept = KEPT.fullmatch(run.weights.name)
    # Lightning counts its steps by another name
    told = next((stored.beside[name] for name in STEPS if name in stored.beside), None)
    step = whole_number(told) if told is not None else int(kept[1]) if kept and kept[1].isdigit() else None
    return _named(stored.tensors), step if step is None or step >= 0 else None


def _named(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Returns weights by official keys, without a prefix such as ``model.`` that all names share."""
    if any(name.startswith(ROOTS) for name in tensors):
        return dict(tensors)
    short = {name.partition(".")[2]: tensor for name, tensor in tensors.items()}
    starts = {name.partition(".")[0] for name in tensors}
    return _named(short) if len(starts) == 1 and len(short) == len(tensors) and all(short) else dict(tensors)


def are_weights(content: Any) -> bool:
    """Returns whether the content of a file looks like the weights of an official run."""
    return isinstance(content, dict) and any(key in content for key in SHELLS)


def _weights_of(folder: Path) -> list[Path]:
    """Returns a folder's weights files: state.pt, then those of most steps, then those without one."""
    kept = [path for path in folder.glob("model_*.pt") if KEPT.fullmatch(path.name)]
    kept.sort(key=lambda path: (-_step(path), path.name))
    return [path for path in (folder / STATE, *kept) if path.is_file()]


def _lone(folder: Path) -> list[Path]:
    """Returns the file of weights that a folder has under another name, or None unless there is exactly one."""
    try:
        return files_in(folder)[:1]
    except ProbeError:
        return []


def _step(path: Path) -> int:
    kept = KEPT.fullmatch(path.name)
    return int(kept[1]) if kept and kept[1].isdigit() else -1


def _is_weights(name: str) -> bool:
    return name == STATE or KEPT.fullmatch(name) is not None


def describes(path: Path) -> bool:
    """Returns whether a config.yaml that describes a model of an official code base lies beside a file."""
    return _describes_a_model(path.with_name(CONFIG))


def _describes_a_model(config: Path) -> bool:
    # other tools write a config.yaml too, and our own checkpoints or a language model may lie beside it
    if not config.is_file():
        return False
    with config.open("rb") as file:
        return re.search(rb"^\s+family:", file.read(BYTES["yaml"]), re.MULTILINE) is not None
