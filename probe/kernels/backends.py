"""Loads an operation's backends: each is a file in the operation's folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from importlib import import_module

import torch
from torch import Tensor

from probe.errors import ProbeError, suggest


def load(
    operation: str, backends: Mapping[str, str], backend: str, what: str = "kernel", *, takes_half: bool = False
) -> Callable[..., Tensor]:
    """Returns a backend's function, imported only now, since it may need a library that others do not.

    Where matrix products are taken in half precision (torch.autocast), states that are handed on through time stay
    float32.

    Args:
        operation: the folder's name, and the function's.
        backends: every backend's name.
        what: what they are called in a sentence.
        takes_half: whether the backends see to that themselves; else they are given float32.

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
    return function if takes_half else _in_float32(function)


def cpu_or(other: str, tensor: Tensor) -> str:
    """Returns cpu for a tensor on a CPU that is float32, or that `load` makes so, else the other backend."""
    single = tensor.dtype == torch.float32 or (_is_half(tensor) and torch.is_autocast_enabled(tensor.device.type))
    return "cpu" if tensor.device.type == "cpu" and single else other


def refuse_all_but_float32(*given: Tensor) -> None:
    """Raises a ProbeError for a tensor that is not float32 on the CPU, which is all that fused kernels read."""
    for tensor in given:
        if tensor.device.type != "cpu" or tensor.dtype != torch.float32:
            raise ProbeError(
                f"The cpu kernel was given {tensor.dtype} on {tensor.device}; it needs float32 on the CPU. "
                "Use another kernel."
            )


def _in_float32(kernel: Callable[..., Tensor]) -> Callable[..., Tensor]:
    @wraps(kernel)
    def run(*given: Tensor | float | None) -> Tensor:
        device = next(each.device.type for each in given if isinstance(each, Tensor))
        if not torch.is_autocast_enabled(device):
            return kernel(*given)
        with torch.autocast(device, enabled=False):
            return kernel(*(each.float() if isinstance(each, Tensor) and _is_half(each) else each for each in given))

    return run


def _is_half(tensor: Tensor) -> bool:
    return tensor.dtype in (torch.float16, torch.bfloat16)
