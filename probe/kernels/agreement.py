"""Compares every installed backend with the plain reference in double precision: outputs and gradients."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from probe.errors import ProbeError
from probe.kernels import causal_conv1d, delta_rule, diagonal_convolution, selective_scan, ssd, wkv4, wkv7
from probe.kernels.backends import load

TOLERANCE = 1e-4
"""Of a tensor's largest number, in float32: sound backends stay an order of magnitude below."""
LENGTHS = (3, 150)
"""Of the sequences, in tokens: shorter than every chunk, and longer than every one."""
BATCH, HEADS, SIZE, STATES = 2, 3, 8, 5
CHANNELS = 24

Operands = dict[str, Tensor]
Normal = Callable[..., Tensor]


@dataclass(frozen=True)
class Operation:
    """An operation, with the operands that the check draws for it.

    Args:
        backends: every backend's name.
        draw: operands in double precision, for so many tokens; further cases leave some out.
        optional: the operands that may be left out together.
    """

    backends: Mapping[str, str]
    draw: Callable[[Normal, int], Operands]
    optional: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class Agreement:
    """How far a backend is from the reference.

    Args:
        gap: the largest difference in the output or a gradient, as a share of the largest number there.
        held: whether rounding explains it; None where the backend does not run here.
        seen: the device and the tensor that differs most, or why it does not run.
    """

    operation: str
    backend: str
    gap: float
    held: bool | None
    seen: str


def agreements() -> list[Agreement]:
    """Returns the agreement of every backend of every operation with its reference."""
    return [
        _agreement(name, operation, backend)
        for name, operation in OPERATIONS.items()
        for backend in operation.backends
        if backend != "reference"
    ]


def _agreement(name: str, operation: Operation, backend: str) -> Agreement:
    gap, seen, refused = -1.0, "", ""
    for device in ("cpu", *(["cuda"] if torch.cuda.is_available() else [])):
        try:
            for tensor, found in _gaps(name, operation, backend, device):
                # a NaN is worse than any number
                if not found <= gap:
                    gap, seen = (math.inf if math.isnan(found) else found), f"{tensor} on {device}"
        except ProbeError as error:
            refused = str(error)
    if not seen:
        return Agreement(name, backend, math.nan, None, refused)
    return Agreement(name, backend, gap, gap <= TOLERANCE, seen)


def _gaps(name: str, operation: Operation, backend: str, device: str) -> Iterator[tuple[str, float]]:
    """Yields how far each output and gradient is from the reference's, over lengths and operands left out."""
    kernel, reference = (load(name, operation.backends, which) for which in (backend, "reference"))
    for time in LENGTHS:
        generator = torch.Generator().manual_seed(0)
        drawn = operation.draw(lambda *shape, g=generator: torch.randn(shape, generator=g, dtype=torch.float64), time)
        for left_out in ((), *operation.optional):
            # both see the same numbers, those that float32 has
            operands = {key: None if key in left_out else _single(tensor) for key, tensor in drawn.items()}
            expected = _run(reference, {key: each if each is None else _double(each) for key, each in operands.items()})
            found = _run(kernel, {key: each if each is None else each.to(device) for key, each in operands.items()})
            for tensor, right in expected.items():
                gap = (found[tensor].to(right) - right).abs().max() / right.abs().max()
                yield tensor, float(gap)


def _run(kernel: Callable[..., Tensor], operands: Mapping[str, Tensor | None]) -> dict[str, Tensor]:
    """Returns the output and the gradient of a weighted sum of it by every operand, on the CPU."""
    leaves = {key: each if each is None else each.clone().requires_grad_() for key, each in operands.items()}
    output = kernel(*leaves.values())
    weights = torch.randn(output.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    there = {key: each for key, each in leaves.items() if each is not None}
    gradients = torch.autograd.grad(output, list(there.values()), weights.to(output))
    named = {f"the gradient by {key}": each for key, each in zip(there, gradients, strict=True)}
    return {key: each.detach().cpu() for key, each in {"the output": output, **named}.items()}


def _single(tensor: Tensor) -> Tensor:
    return tensor.to(torch.complex64 if tensor.is_complex() else torch.float32)


def _double(tensor: Tensor) -> Tensor:
    return tensor.to(torch.complex128 if tensor.is_complex() else torch.float64)


def _convolution(normal: Normal, time: int) -> Operands:
    return {"x": normal(BATCH, time, CHANNELS), "weight": normal(CHANNELS, 4), "bias": normal(CHANNELS)}


def _scan(normal: Normal, time: int) -> Operands:
    shape = (BATCH, time, CHANNELS)
    return {
        "u": normal(*shape),
        "delta": normal(*shape),
        "A": -normal(CHANNELS, STATES).exp(),
        "B": normal(BATCH, time, STATES),
        "C": normal(BATCH, time, STATES),
        "D": normal(CHANNELS),
        "z": normal(*shape),
        "delta_bias": normal(CHANNELS),
    }


def _ssd(normal: Normal, time: int) -> Operands:
    return {
        "x": normal(BATCH, time, HEADS, SIZE),
        "step": normal(BATCH, time, HEADS).exp() / 4,
        "A": -normal(HEADS).exp(),
        "B": normal(BATCH, time, STATES),
        "C": normal(BATCH, time, STATES),
        "D": normal(HEADS),
    }


def _delta_rule(normal: Normal, time: int) -> Operands:
    shape = (BATCH, HEADS, time)
    return {
        "query": normal(*shape, SIZE),
        "key": F.normalize(normal(*shape, SIZE), dim=-1),
        "value": normal(*shape, STATES),
        "beta": torch.sigmoid(normal(*shape)),
        "log_decay": -torch.sigmoid(normal(*shape)),
    }


def _state_space(normal: Normal, time: int) -> Operands:
    shape = (CHANNELS, STATES)
    return {
        "u": normal(BATCH, time, CHANNELS),
        "step": 0.1 * normal(CHANNELS).exp(),
        "A": torch.complex(-normal(*shape).exp(), 3 * normal(*shape)),
        "C": torch.complex(normal(*shape), normal(*shape)),
        "D": normal(CHANNELS),
    }


def _wkv4(normal: Normal, time: int) -> Operands:
    shape = (BATCH, time, CHANNELS)
    return {"key": 2 * normal(*shape), "value": normal(*shape), "decay": normal(CHANNELS), "first": normal(CHANNELS)}


def _wkv7(normal: Normal, time: int) -> Operands:
    shape = (BATCH, time, HEADS, SIZE)
    return {
        "receptance": normal(*shape),
        "log_decay": -math.exp(-0.5) * torch.sigmoid(2 * normal(*shape)),
        "key": normal(*shape),
        "value": normal(*shape),
        "removal": F.normalize(normal(*shape), dim=-1),
        "rate": torch.sigmoid(2 * normal(*shape)),
    }


OPERATIONS: dict[str, Operation] = {
    "causal_conv1d": Operation(causal_conv1d.BACKENDS, _convolution),
    "selective_scan": Operation(selective_scan.BACKENDS, _scan, (("z",), ("z", "delta_bias"))),
    "ssd": Operation(ssd.BACKENDS, _ssd),
    "delta_rule": Operation(delta_rule.BACKENDS, _delta_rule, (("beta",), ("log_decay",), ("beta", "log_decay"))),
    "diagonal_convolution": Operation(diagonal_convolution.BACKENDS, _state_space),
    "wkv4": Operation(wkv4.BACKENDS, _wkv4),
    "wkv7": Operation(wkv7.BACKENDS, _wkv7),
}
"""Every operation that has a backend beside its reference."""
