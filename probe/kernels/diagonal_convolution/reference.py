"""The diagonal state space in plain torch, one time step after another, to be read against the paper.

Gu et al. (2022), "On the Parameterization and Initialization of Diagonal State Space Models", arXiv:2206.11893.
"""

from __future__ import annotations

import torch
from torch import Tensor


def diagonal_convolution(u: Tensor, step: Tensor, A: Tensor, C: Tensor, D: Tensor) -> Tensor:
    """Runs the recurrence; see `probe.kernels.diagonal_convolution` for the arguments. Any device."""
    A_bar, B_bar = zero_order_hold(step, A)
    state = A.new_zeros(u.shape[0], *A.shape)
    outputs = []
    for u_t in u.unbind(1):
        state, y_t = advance(state, u_t, A_bar, B_bar, C, D)
        outputs.append(y_t)
    return torch.stack(outputs, dim=1)


def zero_order_hold(step: Tensor, A: Tensor) -> tuple[Tensor, Tensor]:
    """Returns A_bar = exp(step A) and B_bar = (A_bar - 1) / A, [channels, modes] (section 3.1, with B = 1)."""
    A_bar = torch.exp(step.unsqueeze(-1) * A)
    return A_bar, (A_bar - 1) / A


def advance(state: Tensor, u: Tensor, A_bar: Tensor, B_bar: Tensor, C: Tensor, D: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the states [batch, channels, modes] and outputs [batch, channels] after one more input."""
    state = A_bar * state + B_bar * u.unsqueeze(-1)
    return state, 2 * (C * state).sum(-1).real + D * u
