"""Reads run folders of the official code bases as models of probe.

They are the folders that train.py writes, ``config.yaml`` beside ``state.pt`` and ``model_STEP.pt``, of
dtsip/in-context-learning (Garg et al., 2022, arXiv:2208.01066), automl/is_mamba_capable_of_icl (Grazzi et al., 2024,
arXiv:2402.03170) and krafton-ai/mambaformer-icl (Park et al., 2024, arXiv:2402.04248). Every tensor gets the name it
has in probe, so that every command takes these models too. None of their code is needed, and nothing is executed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from probe import tasks
from probe.checkpoints.official.families import FAMILIES
from probe.checkpoints.official.folder import CONFIG, are_weights, describes, locate, name_of, read_weights, recognises
from probe.checkpoints.official.settings import Settings, read_settings
from probe.checkpoints.official.trained import Trained, trained_on
from probe.checkpoints.official.translation import Translation, build
from probe.errors import ProbeError, suggest
from probe.models import ResidualModel
from probe.tasks import Shape

__all__ = ["CONFIG", "FAMILIES", "Official", "are_weights", "describes", "name_of", "read", "recognises"]


@dataclass(frozen=True, eq=False)
class Official:
    """An official run as our own model, in evaluation mode, float32, without gradients.

    Attributes:
        task: the task it was trained on, as our text.
        dim: dimension of that task's inputs x.
        context: the largest number of examples it was trained with.
        description: arch, family, step and seed where they are known, training_flops, and ``source``: the code base,
            the run's name and weights file, the keys that were left out, and notes on what our task does not say.
        digest: SHA-256 of the weights file, hexadecimal.
    """

    model: ResidualModel
    task: str
    dim: int
    context: int
    description: dict[str, Any]
    digest: str


def read(path: Path) -> Official:
    """Reads an official run by its folder or by one of its weights files.

    Raises:
        ProbeError: if the config or the weights are missing, unreadable, unknown, or do not fit one another.
    """
    run = locate(path)
    settings = read_settings(run.config)
    weights, step = read_weights(run)
    translation = _translate(settings, weights)
    model, dropped = build(translation, weights, run)
    trained = trained_on(settings, step)
    _check_shape(model, trained, settings)
    description = {
        "arch": translation.arch,
        "family": settings.family,
        "step": step,
        "seed": seed if isinstance(seed := settings.training.get("seed"), int) else None,
        "training_flops": trained.flops(model, settings, step),
        "source": {
            "code": settings.source,
            "run": run.folder.resolve().name,
            "file": run.weights.name,
            "left_out": list(dropped),
            "notes": list(trained.notes),
        },
    }
    digest = hashlib.sha256(run.weights.read_bytes()).hexdigest()
    return Official(model, trained.task, trained.dim, trained.context, description, digest)


def _translate(settings: Settings, weights: Mapping[str, Tensor]) -> Translation:
    family = settings.family
    if family not in FAMILIES:
        raise ProbeError(
            f"{settings.path} describes a model of the family {family!r}, which is none that can be read. "
            f"{suggest(family, list(FAMILIES))}Families: {', '.join(FAMILIES)}."
        )
    try:
        return FAMILIES[family](settings, weights)
    except ProbeError as error:
        if str(settings.path) in str(error):
            raise
        raise ProbeError(f"{settings.path} describes a model that cannot be. {error}") from error


def _check_shape(model: ResidualModel, trained: Trained, settings: Settings) -> None:
    config = model.config
    shape = Shape(0 if config.symbols else config.dim, config.outputs, config.symbols)
    asked = tasks.make(trained.task, trained.dim).shape
    if shape != asked:
        raise ProbeError(
            f"{settings.path} describes a model that {shape}, but its task {trained.task} {asked}. "
            "Correct the file: model.interleave and model.vocab_size must suit training.task."
        )
