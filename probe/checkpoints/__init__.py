"""Checkpoints: files of weights, those of probe and of others, found, read, checked and written."""

from probe.checkpoints.at_hand import at_hand
from probe.checkpoints.learners import is_learner, learner_checkpoint
from probe.checkpoints.states import load_state, state_writing
from probe.checkpoints.store import (
    Checkpoint,
    blank,
    called,
    expanded,
    find,
    folders,
    from_model,
    load,
    name_of,
    save,
    writing,
)

__all__ = [
    "Checkpoint",
    "at_hand",
    "blank",
    "called",
    "expanded",
    "find",
    "folders",
    "from_model",
    "is_learner",
    "learner_checkpoint",
    "load",
    "load_state",
    "name_of",
    "save",
    "state_writing",
    "writing",
]
