"""A command line read as frozen dataclasses: flags, one rule for lists, sentences for mistakes, help."""

from probe.arguments.explained import explained, overview
from probe.arguments.flags import Positional
from probe.arguments.reading import read, unknown_command

__all__ = ["Positional", "explained", "overview", "read", "unknown_command"]
