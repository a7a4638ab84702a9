"""One way to see any model: an ordered list of places where the residual stream passes, and its own decoder."""

from probe.capture.anatomy import Anatomy, DescribedModel
from probe.capture.cache import Cache, run_with_cache
from probe.capture.hooks import Captured, Place, StreamModel, capture, observe, put_first, put_sum
from probe.capture.invariants import Finding, check_invariants
from probe.capture.module import ModuleModel
from probe.capture.native import NativeModel
from probe.capture.nnsight import NnsightModel, capture_by_path
from probe.capture.transformer_lens import from_transformer_lens, hooked

__all__ = [
    "Anatomy",
    "Cache",
    "Captured",
    "DescribedModel",
    "Finding",
    "ModuleModel",
    "NativeModel",
    "NnsightModel",
    "Place",
    "StreamModel",
    "capture",
    "capture_by_path",
    "check_invariants",
    "from_transformer_lens",
    "hooked",
    "put_first",
    "put_sum",
    "run_with_cache",
    "observe",
]
