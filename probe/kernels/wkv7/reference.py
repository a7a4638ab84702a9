"""RWKV-7's state update in plain torch, one time step after another, to be read against the paper.

Peng et al. (2025), arXiv:2503.14456, section 4.1.
"""

from __future__ import annotations

import torch
from torch import Tensor


def wkv7(receptance: Tensor, log_decay: Tensor, key: Tensor, value: Tensor, removal: Tensor, rate: Tensor) -> Tensor:
    """Runs the recurrence; see `probe.kernels.wkv7` for the arguments. Any device and float dtype."""
    batch, _, heads, size = key.shape
    state = key.new_zeros(batch, heads, size, size)
    outputs = []
    inputs = (receptance, log_decay, key, value, removal, rate)
    for tokens in zip(*(tensor.unbind(1) for tensor in inputs), strict=True):
        output, state = advance(state, *tokens)
        outputs.append(output)
    return torch.stack(outputs, dim=1)


def advance(
    state: Tensor, receptance: Tensor, log_decay: Tensor, key: Tensor, value: Tensor, removal: Tensor, rate: Tensor
) -> tuple[Tensor, Tensor]:
    """Returns one token's output [batch, heads, size] and the state [batch, heads, value, key] after it."""
    stored = (state * removal.unsqueeze(-2)).sum(-1, keepdim=True)
    state = state * torch.exp(log_decay).unsqueeze(-2) - stored * (rate * removal).unsqueeze(-2)
    state = state + value.unsqueeze(-1) * key.unsqueeze(-2)
    return (state * receptance.unsqueeze(-2)).sum(-1), state
