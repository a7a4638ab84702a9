"""Interventions: what is changed in the stream, in the order of blocks or inside them during a forward pass."""

from probe.interventions.blocks import editing, repeat, skip, swap
from probe.interventions.internals import INTERNALS, holding, internals_of, means, zeros
from probe.interventions.mixers import mambas, recurrent
from probe.interventions.patch import patching
from probe.interventions.query import last_alone, remembered
from probe.interventions.resume import resuming
from probe.interventions.states import continuing, states_after
from probe.interventions.steer import steering

__all__ = [
    "INTERNALS",
    "continuing",
    "editing",
    "holding",
    "internals_of",
    "last_alone",
    "mambas",
    "means",
    "patching",
    "recurrent",
    "remembered",
    "repeat",
    "resuming",
    "skip",
    "states_after",
    "steering",
    "swap",
    "zeros",
]
