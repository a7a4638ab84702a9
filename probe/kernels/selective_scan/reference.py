"""The selective scan in plain torch, one time step after another, to be read against the paper.

Gu and Dao (2023), "Mamba: Linear-Time Sequence Modeling with Selective State Spaces", arXiv:2312.00752,
algorithm 2 and section 3.2, with the official package's simplification B_bar = delta B.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def selective_scan(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor,
    z: Tensor | None = None,
    delta_bias: Tensor | None = None,
) -> Tensor:
    """Runs the scan; see `probe.kernels.selective_scan` for the arguments. Any device, any float dtype."""
    return selective_scan_states(u, delta, A, B, C, D, z, delta_bias)[0]


def selective_scan_states(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor,
    z: Tensor | None = None,
    delta_bias: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Runs the scan and also returns every state h_t, ``[batch, time, channels, state]``.

    With delta' = softplus(delta + delta_bias), for each channel:

        h_t = exp(delta'_t A) h_{t-1} + delta'_t B_t u_t        h_0 = 0
        y_t = C_t h_t + D u_t,   returned as y_t silu(z_t) where a gate z is given.
    """
    step = F.softplus(delta if delta_bias is None else delta + delta_bias)
    decay = torch.exp(step.unsqueeze(-1) * A)
    drive = (step * u).unsqueeze(-1) * B.unsqueeze(-2)
    state = torch.zeros_like(drive[:, 0])
    states = []
    # unbind, not [:, t]: indexing inside the loop would make the backward pass quadratic in length
    for decay_t, drive_t in zip(decay.unbind(1), drive.unbind(1), strict=True):
        state = decay_t * state + drive_t
        states.append(state)
    h = torch.stack(states, dim=1)
    y = torch.einsum("btcs,bts->btc", h, C) + D * u
    return (y if z is None else y * F.silu(z)), h


def selective_scan_step(
    u: Float[Tensor, "batch channels"],
    step: Float[Tensor, "batch channels"],
    A: Float[Tensor, "channels state"],
    B: Float[Tensor, "batch state"],
    C: Float[Tensor, "batch state"],
    D: Float[Tensor, " channels"],
    h: Float[Tensor, "batch channels state"],
) -> tuple[Float[Tensor, "batch channels"], Float[Tensor, "batch channels state"]]:
    """Goes one time step: returns y_t, ungated, and h_t.

    Args:
        step: the step size delta', after bias and softplus.
        h: the state h_{t-1}.
    """
    h = next_state(u, step, A, B, h)
    return torch.einsum("bcs,bs->bc", h, C) + D * u, h


def next_state(
    u: Float[Tensor, "batch channels"],
    step: Float[Tensor, "batch channels"],
    A: Float[Tensor, "channels state"],
    B: Float[Tensor, "batch state"],
    h: Float[Tensor, "batch channels state"],
) -> Float[Tensor, "batch channels state"]:
    """Returns h_t.

    Args:
        step: the step size delta', after bias and softplus.
        h: the state h_{t-1}.
    """
    return torch.exp(step.unsqueeze(-1) * A) * h + (step * u).unsqueeze(-1) * B.unsqueeze(-2)
