"""Checkpoints: files of weights, those of probe and of others, found, read, checked and written."""

from probe.checkpoints.store import (
    Checkpoint,
    blank,
    expanded,
    find,
    folders,
    load,
    load_state,
    name_of,
    of,
    save,
    state_writing,
    writing,
)

__all__ = [
    "Checkpoint",
    "blank",
    "expanded",
    "find",
    "folders",
    "load",
    "load_state",
    "name_of",
    "of",
    "save",
    "state_writing",
    "writing",
]
