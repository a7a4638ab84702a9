"""Blocks that compute a known algorithm and are not trained, one algorithm a file."""

from probe.models.planted.block import Planted, planted_width
from probe.models.planted.known import KNOWN, Known
from probe.models.planted.ways import WAYS, Algorithm

__all__ = ["KNOWN", "WAYS", "Algorithm", "Known", "Planted", "planted_width"]
