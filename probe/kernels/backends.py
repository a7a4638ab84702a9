"""How an operation's backends are found: one file each, in the operation's folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module

from torch import Tensor

from probe.errors import ProbeError, suggest


def load(operation: str, backends: Mapping[str, str], backend: str, what: str = "kernel") -> Callable[..., Tensor]:
    """Returns a backend's function; importing it only now keeps what only it needs out of the way.

    Args:
        operation: the folder's name, and the function's.
        backends: every backend's name.
        what: what they are called in a sentence.

    Raises:
        ProbeError: if there is no such backend, or the package it needs is not installed.
    """
    if backend not in backends:
        raise ProbeError(
            f"No {what} is called {backend!r}. {suggest(backend, list(backends))}Kernels: auto, {', '.join(backends)}."
        )
    try:
        module = import_module(f"probe.kernels.{operation}.{backend}")
    except ImportError as error:
        raise ProbeError(
            f"The {backend} kernel was asked for, but it needs the package {error.name}, which is not installed. "
            "Install it, or use --kernel auto."
        ) from error
    function: Callable[..., Tensor] = getattr(module, operation)
    return function
