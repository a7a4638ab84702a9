"""Recomputes a model from its file, to find out whether what runs is what was stored.

The invariants of capture compare a model with itself, so that one that was read wrongly passes them. Here the tensors
are taken as the file has them, by its own names, and every part's equations are written out from the papers in double
precision, with the plain kernels; nothing of the module that runs is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from torch import Tensor

from probe.capture import Finding, StreamModel
from probe.checkpoints import huggingface as folders
from probe.checkpoints import official as runs
from probe.checkpoints.shards import is_sharded
from probe.recompute import huggingface, official, own
from probe.recompute.comparison import UNFIT, compare, strangers
from probe.recompute.findings import findings, not_possible
from probe.recompute.part import Described
from probe.recompute.stored import stored_weights
from probe.recompute.weights import ImpossibleError

__all__ = ["KINDS", "check_stored", "stored_weights"]

PROMPTS, TOKENS = 2, 64  # of those given, as many are recomputed

Describe = Callable[[Path, Mapping[str, Tensor]], Described]
KINDS: dict[str, Describe] = {"own": own.describe, "official": official.describe, "huggingface": huggingface.describe}
"""What describes a checkpoint's parts, by the kind of its files."""


def check_stored(path: Path, model: StreamModel, inputs: Tensor) -> list[Finding]:
    """Returns findings on whether a model's parts write what the tensors stored at a path make.

    Args:
        inputs: a batch of prompts, of which the first two are taken, and of these the first 64 tokens.

    Raises:
        ProbeError: if a file cannot be read.
    """
    try:
        weights = stored_weights(path)
        described = KINDS[_kind(path)](path, weights)
    except ImpossibleError as error:
        return not_possible(str(error))
    except UNFIT as error:
        return not_possible(f"what its settings describe ({type(error).__name__})")
    stored, runs_here = len(described.blocks), len(model.places) - 1
    if not stored:
        return not_possible("blocks that are stored under other names than their releases'")
    if stored != runs_here:
        return [Finding("the model has the blocks of its file", False, f"{stored} stored, {runs_here} run")]
    outcomes = compare(described, model, inputs[:PROMPTS, :TOKENS])
    return findings(outcomes, strangers(described, outcomes))


def _kind(path: Path) -> str:
    if not is_sharded(path):
        if runs.recognises(path):
            return "official"
        if folders.recognises(path):
            return "huggingface"
    return "own"
