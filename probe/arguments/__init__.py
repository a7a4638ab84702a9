"""A command line read as frozen dataclasses: flags, one rule for lists, sentences for mistakes, help."""

from probe.arguments.explained import explained, overview
from probe.arguments.flags import Delivery, Group, Needed, Positional, flags_of
from probe.arguments.reading import read, unknown_command

__all__ = [
    "Delivery",
    "Group",
    "Needed",
    "Positional",
    "explained",
    "flags_of",
    "overview",
    "read",
    "unknown_command",
]
