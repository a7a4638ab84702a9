"""The operations of the package mamba_ssm (github.com/state-spaces/mamba) that are not backends of ours; on GPUs alone.

Dao and Gu (2024), "Transformers are SSMs", arXiv:2405.21060.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from mamba_ssm.ops.triton.selective_state_update import (  # type: ignore[import-not-found,unused-ignore]
    selective_state_update,
)
from mamba_ssm.ops.triton.ssd_combined import (  # type: ignore[import-not-found,unused-ignore]
    mamba_chunk_scan_combined,
)
from torch import Tensor

from probe.kernels.checks.implementation import Absent, Implementation, State, from_start
from probe.kernels.checks.operation import Operands

CHUNK = 64
DTYPES = ("float32", "bfloat16")


def implementations(operation: str) -> Iterator[Implementation | Absent]:
    """Yields what this package has of an operation."""
    if operation == "ssd":
        yield Implementation(
            "mamba2",
            "mamba_ssm",
            from_start(_ssd_carried),
            _ssd_step,
            _ssd_carried,
            DTYPES,
            devices=("cuda",),
            any_order=True,
        )


def _ssd_carried(given: Operands, state: State) -> tuple[Tensor, State]:
    y, state = mamba_chunk_scan_combined(
        given["x"],
        given["step"],
        given["A"],
        given["B"].unsqueeze(2),
        given["C"].unsqueeze(2),
        CHUNK,
        D=given["D"],
        initial_states=state,
        return_final_states=True,
    )
    return y, state


def _ssd_step(given: Operands, state: State) -> tuple[Tensor, State]:
    x, step, b, c = (given[name][:, 0] for name in ("x", "step", "B", "C"))
    if state is None:
        state = torch.zeros(*x.shape, b.shape[-1], device=x.device)
    y = selective_state_update(
        state,
        x,
        step.unsqueeze(-1).expand(x.shape),
        given["A"][:, None, None].expand(state.shape[1:]),
        b.unsqueeze(1),
        c.unsqueeze(1),
        given["D"].unsqueeze(-1).expand(x.shape[1:]),
    )
    return y.unsqueeze(1), state
