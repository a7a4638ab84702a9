"""Dropout that switches whole channels off, the same ones at every token of a sequence."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from probe.errors import ProbeError


class ChannelDropout(nn.Module):
    """Drops channels for a whole sequence while training, as in the released S4 code ("tied" dropout).

    Args:
        rate: the share of channels dropped, from 0 to below 1.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        if not 0 <= rate < 1:
            raise ProbeError(
                f"A dropout of {rate:g} was given, but it needs a share from 0 to below 1. Write dropout=0.1."
            )
        self.rate = rate

    def forward(self, hidden: Float[Tensor, "batch time channels"]) -> Float[Tensor, "batch time channels"]:
        """Returns the sequences with the drawn channels set to 0 and the others scaled up by 1 / (1 - rate)."""
        if not self.training or self.rate == 0:
            return hidden
        kept = F.dropout(hidden.new_ones(hidden.shape[0], 1, hidden.shape[2]), self.rate)
        return hidden * kept
