"""Random numbers that know nothing of the prompts: what the chance lines of heads are fitted on."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from probe.randomness import KeyedGenerator, Purpose, key


def noise(
    seed: int, purpose: Purpose, numbers: range, contexts: int, width: int
) -> Float32[Tensor, "1 batch context width"]:
    """Returns an independent random stream, the same at every context."""
    drawn = independent((seed, "chance", purpose), numbers, width)
    return drawn[None, :, None].expand(1, -1, contexts, -1)


def independent(parts: tuple[object, ...], numbers: range, count: int) -> Float32[Tensor, "batch count"]:
    """Returns standard normal draws, a row for each prompt by its number.

    Args:
        parts: keys of the draws beside the numbers, see `probe.randomness.key`.
    """
    drawn, keyed = np.empty((len(numbers), count), dtype=np.float32), KeyedGenerator()
    for row, number in zip(drawn, numbers, strict=True):
        keyed.at(key(*parts, number)).standard_normal(out=row, dtype=np.float32)
    return torch.from_numpy(drawn)
