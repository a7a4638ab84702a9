"""Sequence models on one residual skeleton; an architecture is a layout with its norm and positions."""

from probe.models.mixers import LETTERS, Mixer
from probe.models.residual import Block, ResidualModel

__all__ = ["LETTERS", "Block", "Mixer", "ResidualModel"]
