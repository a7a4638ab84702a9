"""Sequence models on one residual skeleton; an architecture is a layout with its norm and positions."""

from probe.models.residual import LETTERS, Block, ResidualModel

__all__ = ["LETTERS", "Block", "ResidualModel"]
