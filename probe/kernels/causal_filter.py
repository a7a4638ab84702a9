"""A causal filter with one response a channel, as one matrix product a channel."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def causal_filter(response: Tensor, u: Tensor) -> Tensor:
    """Returns sum_s response[c, t - s] u[b, s, c], [batch, time, channels], for a response [channels, time].

    A later input is multiplied by an exact zero, so that no output depends on it, not even by rounding.
    """
    time = u.shape[1]
    lags = F.pad(response.flip(-1), (0, time - 1))
    # the windows of (r_{T-1}, ..., r_0, 0, ..., 0) are the matrix's rows, the last one first
    backwards = torch.bmm(lags.unfold(-1, time, 1), u.permute(2, 1, 0))
    return backwards.flip(1).permute(2, 1, 0)
