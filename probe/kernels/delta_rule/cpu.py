"""Fast weights on CPUs: `probe.kernels.matrix_state`, or `probe.kernels.linear_attention` where nothing is erased."""

from __future__ import annotations

import torch
from torch import Tensor

from probe.kernels.linear_attention import linear_attention
from probe.kernels.matrix_state import matrix_state


def delta_rule(
    query: Tensor, key: Tensor, value: Tensor, beta: Tensor | None = None, log_decay: Tensor | None = None
) -> Tensor:
    """Runs the operation; see `probe.kernels.delta_rule` for the arguments.

    Raises:
        ProbeError: for tensors that are not float32 on the CPU.
    """
    query, key, value = (tensor.transpose(1, 2) for tensor in (query, key, value))
    decay = None if log_decay is None else torch.exp(log_decay.transpose(1, 2))
    if beta is None:
        return linear_attention(query, key, value, decay).transpose(1, 2)
    # S_{t-1} w (I - beta k k^T) + beta v k^T
    beta = beta.transpose(1, 2)
    erased = -beta if decay is None else -beta * decay
    value = beta.unsqueeze(-1) * value
    return matrix_state(query, key, value, decay, key, erased.unsqueeze(-1) * key).transpose(1, 2)
