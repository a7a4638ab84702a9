"""Capture of the residual stream: every model as an ordered list of places where it passes, and its own decoder."""

import warnings
from typing import Any

from probe.capture.cache import Cache, run_with_cache
from probe.capture.description import DescribedModel, ModelDescription
from probe.capture.hooks import Captured, Place, StreamModel, at_queries, capture, observe, put_first, put_sum
from probe.capture.invariants import Finding, check_invariants
from probe.capture.module import ModuleModel
from probe.capture.native import NativeModel
from probe.capture.nnsight import NnsightModel, capture_by_path
from probe.capture.stored import StoredModel
from probe.capture.transformer_lens import from_transformer_lens, hooked

__all__ = [
    "Cache",
    "Captured",
    "DescribedModel",
    "Finding",
    "ModelDescription",
    "ModuleModel",
    "NativeModel",
    "NnsightModel",
    "Place",
    "StoredModel",
    "StreamModel",
    "at_queries",
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

OLD: dict[str, Any] = {"Anatomy": ModelDescription, "watching": observe}
"""Former names, for one version."""


def __getattr__(name: str) -> Any:
    if name not in OLD:
        raise AttributeError(f"module 'probe.capture' has no attribute {name!r}")
    new = OLD[name].__name__
    warnings.warn(f"{name} is called {new} now, and goes with the next version.", DeprecationWarning, 2)
    return OLD[name]
