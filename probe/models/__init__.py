"""Sequence models on one residual skeleton; an architecture is a layout with its norm and positions."""

from probe.models.mixer import Mixer
from probe.models.mixers import LETTERS
from probe.models.residual import Block, ResidualModel

__all__ = ["LETTERS", "Block", "Mixer", "ResidualModel"]
