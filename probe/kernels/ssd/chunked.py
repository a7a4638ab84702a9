"""The state space of Mamba-2 by matrix products within chunks of the sequence.

By its duality (Dao and Gu, 2024, arXiv:2405.21060, sections 3 and 6) it is linear attention that decays: C is the
query, B the key, both shared by all heads, and step x the value. So the chunks are those of linear attention.
"""

from __future__ import annotations

from torch import Tensor

from probe.kernels.delta_rule.chunked import delta_rule


def ssd(x: Tensor, step: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor) -> Tensor:
    """Runs the state space; see `probe.kernels.ssd` for the arguments. Any device, float32 or float64."""
    value = (step.unsqueeze(-1) * x).transpose(1, 2)
    log_decay = (step * A).transpose(1, 2)
    read = delta_rule(C.unsqueeze(1), B.unsqueeze(1), value, log_decay=log_decay)
    return read.transpose(1, 2) + D.unsqueeze(-1) * x
