"""One way to compute an operation, as the check sees it: ours, or another package's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from probe.kernels.checks.operation import Operands

State = Any
"""What an implementation hands on from one token to the next, in its own form."""
Whole = Callable[[Operands], Tensor]
Carry = Callable[[Operands, State], tuple[Tensor, State]]
"""Runs the tokens that it is given from a state, None at the start, and returns their outputs and the state after."""

EVERY = ("float64", "float32", "bfloat16")


@dataclass(frozen=True)
class Implementation:
    """One way to compute an operation.

    Args:
        name: what it is called in a row.
        package: the package that it is of.
        whole: runs whole sequences.
        step: runs one token from a state.
        piece: runs several tokens from a state.
        dtypes: of activations that it takes and computes in as precisely.
        devices: the kinds of device that it runs on.
        longest: the most tokens that it is made for.
        loops: whether it takes one token after another in Python, so that the longest sequences are run once.
        optional: whether operands may be left out.
        any_order: whether gradients are summed in an order that changes between runs, as its package says.
    """

    name: str
    package: str
    whole: Whole
    step: Carry | None = None
    piece: Carry | None = None
    dtypes: tuple[str, ...] = EVERY
    devices: tuple[str, ...] = ("cpu", "cuda")
    longest: int | None = None
    loops: bool = False
    optional: bool = False
    any_order: bool = False


@dataclass(frozen=True)
class Absent:
    """An implementation that cannot be run here, with the reason in a sentence."""

    name: str
    package: str
    reason: str


def from_start(carry: Carry) -> Whole:
    """Returns what runs whole sequences by a function that takes a state."""

    def run(given: Operands) -> Tensor:
        return carry(given, None)[0]

    return run
