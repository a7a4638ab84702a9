"""The files of training states: plain values and tensors, read back as they were written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from probe.checkpoints.digest import digest_of
from probe.checkpoints.saved import are_plain, read_saved
from probe.errors import ProbeError
from probe.files import Write

STATE_FORMAT = 2  # the first had no digest


def state_writing(content: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Write:
    """Returns a function that writes a training state, plain values and tensors on the CPU, for `load_state`."""
    text = json.dumps(content, sort_keys=True)
    packed = {
        "probe_state": STATE_FORMAT,
        "content": text,
        "tensors": dict(tensors),
        "digest": digest_of(tensors, text),
    }
    return lambda file: torch.save(packed, file)


def load_state(path: str | Path) -> dict[str, Any]:
    """Reads a training state: its plain values, and its tensors by the name ``tensors``, all as they were written.

    A state without a digest, as they were written until there was one, is returned as it stands.

    Raises:
        ProbeError: if it is missing, unreadable, or altered.
    """
    if not Path(path).is_file():
        raise ProbeError(f"There is no {path} to resume from. Start the training without --resume.")
    instead = "Start the training anew with --overwrite, or with another --out."
    state = read_saved(Path(path), instead)
    if isinstance(state, dict) and state.get("probe_state") == STATE_FORMAT:
        tensors, text = state.get("tensors"), state.get("content")
        try:
            whole = are_plain(tensors) and isinstance(text, str) and digest_of(tensors, text) == state.get("digest")
            content = json.loads(text) if whole and isinstance(text, str) else None
        except (ValueError, RecursionError, RuntimeError):
            content = None
        if not isinstance(content, dict):
            raise ProbeError(f"{path} is damaged: its contents do not match its digest. {instead}")
        return {**content, "tensors": tensors}
    if not isinstance(state, dict) or "step" not in state or "plan" not in state:
        raise ProbeError(f"{path} is not the state of a training. {instead}")
    return state
