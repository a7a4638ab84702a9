"""Numbers that look drawn and follow from the token alone, so that nothing depends on the batch."""

from __future__ import annotations

import torch
from jaxtyping import Float64
from torch import Tensor

FREQUENCY = 1e3
"""Of the sines: tokens that differ by more than a thousandth have unrelated numbers."""


def scattered(
    token: Float64[Tensor, "batch time dim"], count: int, seed: int, stream: int
) -> Float64[Tensor, "batch time count"]:
    """Returns so many numbers a token, each of mean 0 and variance 1 over tokens.

    Args:
        seed: from 0.
        stream: another one gives unrelated numbers, from 0.
    """
    frequency, phase = drawn(seed, stream, token.shape[-1], count), drawn(seed, stream, 1, count)
    angle = FREQUENCY * token @ frequency.to(token) + 3.0 * phase.to(token)
    return 2**0.5 * torch.sin(angle)


def drawn(seed: int, stream: int, rows: int, columns: int) -> Float64[Tensor, "rows columns"]:
    """Returns a matrix of normal numbers that is the same for the same seed, stream and shape."""
    source = torch.Generator().manual_seed(1_000_003 * seed + 1009 * stream + rows)
    return torch.randn(rows, columns, generator=source, dtype=torch.float64)
