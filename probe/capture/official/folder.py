"""The two files of a run folder: where they are, and how the weights are read without executing anything in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from probe.capture.saved import are_plain, read_saved
from probe.errors import ProbeError

CONFIG = "config.yaml"
STATE = "state.pt"
# Grazzi et al. also keep the weights of their smallest loss
KEPT = re.compile(r"model_(\d+|best_ema_last_loss)\.pt")
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
    """Returns what a run is called in records: its folder's name, with the step where a kept one was named."""
    if path.is_dir():
        return path.resolve().name
    kept = KEPT.fullmatch(path.name)
    return path.resolve().parent.name + (f"-{kept[1]}" if kept else "")


def locate(path: Path) -> Run:
    """Returns the files that a recognised path means: of a folder, state.pt, or else the kept weights of most steps.

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
    found = _weights_of(folder)
    if not found:
        raise ProbeError(
            f"{folder} holds a {CONFIG}, but neither {STATE} nor model_STEP.pt. Put the run's weights beside it."
        )
    return Run(folder, config, found[0] if path.is_dir() else path)


def read_weights(run: Run) -> tuple[dict[str, Tensor], int | None]:
    """Returns a run's tensors by their official keys, and the training step they were saved at where it is known.

    Raises:
        ProbeError: if the file cannot be read, would have to be executed, or holds no weights.
    """
    content = read_saved(run.weights, "Save its model_state_dict alone, with torch.save, or copy it anew.")
    state = content.get("model_state_dict", content) if isinstance(content, dict) else None
    if not state or not are_plain(state):
        raise ProbeError(
            f"{run.weights} holds no weights of an official run (a model_state_dict, or tensors by name). "
            "Give what their train.py saved."
        )
    kept = KEPT.fullmatch(run.weights.name)
    step = content.get("train_step", int(kept[1]) if kept and kept[1].isdigit() else None)
    return dict(state), step if isinstance(step, int) else None


def are_weights(content: Any) -> bool:
    """Returns whether what a file held looks like an official run's weights."""
    return isinstance(content, dict) and any(key in content for key in SHELLS)


def _weights_of(folder: Path) -> list[Path]:
    """Returns a folder's weights files: state.pt, then those of most steps, then those without one."""
    kept = [path for path in folder.glob("model_*.pt") if KEPT.fullmatch(path.name)]
    kept.sort(key=lambda path: (-_step(path), path.name))
    return [path for path in (folder / STATE, *kept) if path.is_file()]


def _step(path: Path) -> int:
    kept = KEPT.fullmatch(path.name)
    return int(kept[1]) if kept and kept[1].isdigit() else -1


def _is_weights(name: str) -> bool:
    return name == STATE or KEPT.fullmatch(name) is not None


def _describes_a_model(config: Path) -> bool:
    # other tools write a config.yaml too, and our own checkpoints or a language model may lie beside it
    return config.is_file() and re.search(rb"^\s+family:", config.read_bytes(), re.MULTILINE) is not None
