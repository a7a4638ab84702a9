"""Random numbers that know nothing of the prompts: what the chance lines of heads are fitted on."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from probe.config import FitConfig
from probe.randomness import KeyedGenerator, Purpose, key


def noise(config: FitConfig, purpose: Purpose, numbers: range, contexts: int, width: int) -> Tensor:
    """Returns an independent random stream, the same at every context: [1, batch, context, width]."""
    drawn = independent((config.seed, "chance", purpose), numbers, width)
    return drawn[None, :, None].expand(1, -1, contexts, -1)


def independent(parts: tuple[object, ...], numbers: range, count: int) -> Tensor:
    """Returns standard normal draws that know nothing of the prompts, float32 [batch, count]."""
    drawn, keyed = np.empty((len(numbers), count), dtype=np.float32), KeyedGenerator()
    for row, number in zip(drawn, numbers, strict=True):
        keyed.at(key(*parts, number)).standard_normal(out=row, dtype=np.float32)
    return torch.from_numpy(drawn)
