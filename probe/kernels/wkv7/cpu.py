"""RWKV-7's state update on CPUs, by the pass over states that are matrices of `probe.kernels.matrix_state`."""

from __future__ import annotations

import torch
from torch import Tensor

from probe.kernels.matrix_state import matrix_state


def wkv7(receptance: Tensor, log_decay: Tensor, key: Tensor, value: Tensor, removal: Tensor, rate: Tensor) -> Tensor:
    """Runs the recurrence; see `probe.kernels.wkv7` for the arguments.

    Raises:
        ProbeError: for tensors that are not float32 on the CPU.
    """
    return matrix_state(receptance, key, value, torch.exp(log_decay), removal, -rate * removal)
