"""The operations of the package fla (github.com/fla-org/flash-linear-attention): Triton kernels, on GPUs alone.

Yang, Kautz and Hatamizadeh (2024), arXiv:2412.06464; Peng et al. (2025), arXiv:2503.14456.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from fla.ops.gated_delta_rule import (  # type: ignore[import-not-found,unused-ignore]
    chunk_gated_delta_rule,
    fused_recurrent_gated_delta_rule,
)
from fla.ops.rwkv7 import chunk_rwkv7, fused_recurrent_rwkv7  # type: ignore[import-not-found,unused-ignore]
from torch import Tensor

from probe.kernels.checks.implementation import Absent, Carry, Implementation, State, from_start
from probe.kernels.checks.operation import Operands

DTYPES = ("float32", "bfloat16")


def implementations(operation: str) -> Iterator[Implementation | Absent]:
    """Yields what this package has of an operation."""
    if operation not in CHUNKED:
        return
    chunked, recurrent = CHUNKED[operation], RECURRENT[operation]
    yield Implementation(
        "chunk", "fla", from_start(chunked), recurrent, chunked, DTYPES, devices=("cuda",), any_order=True
    )


def _delta_rule(function: Callable[..., Any]) -> Carry:
    def run(given: Operands, state: State) -> tuple[Tensor, State]:
        query, key, value, beta, log_decay = (given[name].transpose(1, 2).contiguous() for name in given)
        output, state = function(
            query, key, value, g=log_decay, beta=beta, scale=1.0, initial_state=state, output_final_state=True
        )
        return output.transpose(1, 2), state

    return run


def _wkv7(function: Callable[..., Any]) -> Carry:
    def run(given: Operands, state: State) -> tuple[Tensor, State]:
        removal, rate = given["removal"], given["rate"]
        named = {"r": given["receptance"], "w": given["log_decay"], "k": given["key"], "v": given["value"]}
        output, state = function(
            **named, a=-removal, b=rate * removal, scale=1.0, initial_state=state, output_final_state=True
        )
        return output, state

    return run


CHUNKED = {"delta_rule": _delta_rule(chunk_gated_delta_rule), "wkv7": _wkv7(chunk_rwkv7)}
RECURRENT = {
    "delta_rule": _delta_rule(fused_recurrent_gated_delta_rule),
    "wkv7": _wkv7(fused_recurrent_rwkv7),
}
