"""Learners where checkpoints are named: ``learner:gd:steps=8``."""

from __future__ import annotations

from probe import learners
from probe.capture.learner import LearnerModel
from probe.checkpoints.store import LEARNER, Checkpoint, from_model


def is_learner(name: str) -> bool:
    """Returns whether the name of a checkpoint is that of a learner."""
    return name.startswith(LEARNER)


def learner_checkpoint(name: str, dim: int, context: int = 0) -> Checkpoint:
    """Returns a learner as a checkpoint.

    Args:
        name: ``learner:NAME`` or ``learner:NAME:option=value,...``.
        dim: dimension of x.
        context: the number of examples that commands take unless told otherwise; 0 makes them ask.

    Raises:
        ProbeError: if there is no such learner or option.
    """
    text = name.removeprefix(LEARNER)
    stream = LearnerModel(learners.make(text), dim, text)
    return from_model(stream, name, context=context, description={"arch": text, "source": "learner", "learner": text})
