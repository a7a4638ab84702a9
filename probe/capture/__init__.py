"""One way to see any model: an ordered list of places where the residual stream passes, and its own decoder."""

from probe.capture.anatomy import Anatomy, DescribedModel
from probe.capture.hooks import Captured, Place, StreamModel, capture, put_first, put_sum
from probe.capture.invariants import Finding, check_invariants
from probe.capture.native import NativeModel

__all__ = [
    "Anatomy",
    "Captured",
    "DescribedModel",
    "Finding",
    "NativeModel",
    "Place",
    "StreamModel",
    "capture",
    "check_invariants",
    "put_first",
    "put_sum",
]
