"""The short causal convolution with SiLU, one time step at a time."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def causal_conv1d_step(
    x: Float[Tensor, "batch channels"],
    recent: Float[Tensor, "batch taps-1 channels"],
    weight: Float[Tensor, "channels taps"],
    bias: Float[Tensor, " channels"],
) -> tuple[Float[Tensor, "batch channels"], Float[Tensor, "batch taps-1 channels"]]:
    """Returns silu(bias + sum_k weight_k x_{t-K+1+k}) and the inputs that the next step needs.

    Args:
        recent: the inputs before this one, oldest first, zeros before the first step.
    """
    window = torch.cat([recent, x.unsqueeze(1)], dim=1)
    return F.silu(bias + (window * weight.T).sum(1)), window[:, 1:]
