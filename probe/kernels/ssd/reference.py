"""The state space of Mamba-2 in plain torch, one time step after another, to be read against the paper.

Dao and Gu (2024), "Transformers are SSMs", arXiv:2405.21060, sections 2 and 7, with the official package's
simplification B_bar = step B.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def ssd(x: Tensor, step: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor) -> Tensor:
    """Runs the state space; see `probe.kernels.ssd` for the arguments. Any device, any float dtype."""
    return ssd_states(x, step, A, B, C, D)[0]


def ssd_states(
    x: Float[Tensor, "batch time head size"],
    step: Float[Tensor, "batch time head"],
    A: Float[Tensor, " head"],
    B: Float[Tensor, "batch time state"],
    C: Float[Tensor, "batch time state"],
    D: Float[Tensor, " head"],
) -> tuple[Float[Tensor, "batch time head size"], Float[Tensor, "batch time head size state"]]:
    """Runs the state space and also returns every state S_t."""
    state = x.new_zeros(x.shape[0], *x.shape[2:], B.shape[-1])
    outputs, states = [], []
    for x_t, step_t, b_t, c_t in zip(x.unbind(1), step.unbind(1), B.unbind(1), C.unbind(1), strict=True):
        output, state = ssd_step(x_t, step_t, A, b_t, c_t, D, state)
        outputs.append(output)
        states.append(state)
    return torch.stack(outputs, dim=1), torch.stack(states, dim=1)


def ssd_step(
    x: Float[Tensor, "batch head size"],
    step: Float[Tensor, "batch head"],
    A: Float[Tensor, " head"],
    B: Float[Tensor, "batch state"],
    C: Float[Tensor, "batch state"],
    D: Float[Tensor, " head"],
    state: Float[Tensor, "batch head size state"],
) -> tuple[Float[Tensor, "batch head size"], Float[Tensor, "batch head size state"]]:
    """Goes one time step, from S_{t-1} to y_t and S_t."""
    written = torch.einsum("bh,bhp,bn->bhpn", step, x, B)
    state = torch.exp(step * A)[..., None, None] * state + written
    return torch.einsum("bhpn,bn->bhp", state, C) + D.unsqueeze(-1) * x, state
