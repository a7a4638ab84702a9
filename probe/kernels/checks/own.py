"""Our backends of every operation."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from probe.errors import ProbeError
from probe.kernels import (
    causal_attention,
    causal_conv1d,
    delta_rule,
    diagonal_convolution,
    gelu,
    rms_norm,
    selective_scan,
    ssd,
    wkv4,
    wkv7,
)
from probe.kernels.backends import load
from probe.kernels.checks.implementation import EVERY, Absent, Implementation, Whole
from probe.kernels.checks.operation import Operands
from probe.kernels.checks.own_steps import STEPS

BACKENDS = {
    "causal_conv1d": causal_conv1d.BACKENDS,
    "selective_scan": selective_scan.BACKENDS,
    "ssd": ssd.BACKENDS,
    "delta_rule": delta_rule.BACKENDS,
    "diagonal_convolution": diagonal_convolution.BACKENDS,
    "wkv4": wkv4.BACKENDS,
    "wkv7": wkv7.BACKENDS,
    "causal_attention": causal_attention.BACKENDS,
    "gelu": gelu.BACKENDS,
    "rms_norm": rms_norm.BACKENDS,
}
NAMES = {
    "causal_conv1d": ("x", "weight", "bias"),
    "selective_scan": ("u", "delta", "A", "B", "C", "D", "z", "delta_bias"),
    "ssd": ("x", "step", "A", "B", "C", "D"),
    "delta_rule": ("query", "key", "value", "beta", "log_decay"),
    "diagonal_convolution": ("u", "step", "A", "C", "D"),
    "wkv4": ("key", "value", "decay", "first"),
    "wkv7": ("receptance", "log_decay", "key", "value", "removal", "rate"),
    "causal_attention": ("packed",),
    "gelu": ("x",),
    "rms_norm": ("x", "weight"),
}
"""The operands of each operation, in the order of its arguments."""
TAKE_HALF = ("causal_conv1d", "selective_scan")
"""Operations whose backends see themselves to half precision."""
LONGEST = {
    ("wkv4", "parallel"): wkv4.LONGEST_PARALLEL,
    ("diagonal_convolution", "cpu"): diagonal_convolution.LONGEST_TOEPLITZ,
    ("diagonal_convolution", "toeplitz"): diagonal_convolution.LONGEST_TOEPLITZ,
    ("causal_attention", "cpu"): causal_attention.LONGEST_FUSED,
}
"""Backends whose matrices or work grow with the square of the tokens are never chosen beyond."""
OF = {"mamba_ssm": "mamba_ssm"}
"""The package of a backend that is not ours."""
SINGLE = ("float32", "bfloat16")
DTYPES = {"cpu": SINGLE, "triton": SINGLE, "mamba_ssm": SINGLE}
"""Of backends that take no double precision; others take any dtype."""
DEVICES = {"cpu": ("cpu",), "triton": ("cuda",), "mamba_ssm": ("cuda",)}
"""Of backends that run on one kind of device."""


def implementations(operation: str) -> Iterator[Implementation | Absent]:
    """Yields our backends of an operation, and those that we have for another package's kernel."""
    for backend in BACKENDS[operation]:
        package = OF.get(backend, "probe")
        try:
            kernel = load(operation, BACKENDS[operation], backend, takes_half=operation in TAKE_HALF)
        except ProbeError as error:
            yield Absent(backend, package, str(error))
            continue
        yield Implementation(
            backend,
            package,
            _whole(operation, kernel),
            step=STEPS[operation] if backend == "reference" else None,
            dtypes=DTYPES.get(backend, EVERY),
            devices=DEVICES.get(backend, ("cpu", "cuda")),
            longest=LONGEST.get((operation, backend)),
            loops=backend == "reference",
            optional=True,
            any_order=package == "mamba_ssm",
        )


def _whole(operation: str, kernel: Callable[..., Tensor]) -> Whole:
    """Returns a backend as it is called in a model, which computes in bfloat16 by torch.autocast."""

    def run(given: Operands) -> Tensor:
        first = next(iter(given.values()))
        with torch.autocast(first.device.type, torch.bfloat16, enabled=first.dtype == torch.bfloat16):
            return kernel(*(given.get(name) for name in NAMES[operation]))

    return run
