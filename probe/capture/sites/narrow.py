"""Random projections of what is too wide for a ridge."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from probe.randomness import generator

ROWS = 4096
"""Numbers whose rows of a projection are drawn at a time."""
KEPT = 2**22
"""Numbers of projections that are kept for the next batch; what is more is drawn again each time."""


class Narrow:
    """Projects sites that are too wide at random, in the same way at every token of every prompt.

    The projection is Gaussian and depends on the seed, the layer and the site alone. What a head reads from it, it
    could read from the whole site too, so that an error there is at most what is measured, up to noise. Distances
    are kept to within about sqrt(8 ln(n) / widest) among n points (Johnson and Lindenstrauss, 1984).

    Args:
        widest: the most numbers that are read as they are, and how many a wider site is projected to; 0 for no limit.
    """

    def __init__(self, seed: int, widest: int) -> None:
        self.seed, self.widest = seed, widest
        self._kept: dict[tuple[int, str, int], Tensor] = {}

    def __call__(
        self, layer: int, name: str, values: Float[Tensor, "*place numbers"]
    ) -> Float[Tensor, "*place features"]:
        """Returns the features that heads read."""
        numbers = values.shape[-1]
        if not self.widest or numbers <= self.widest:
            return values
        key = (layer, name, numbers)
        if key not in self._kept and sum(one.numel() for one in self._kept.values()) + numbers * self.widest <= KEPT:
            self._kept[key] = torch.cat(list(self._rows(layer, name, numbers)))
        if key in self._kept:
            whole: Tensor = values @ self._kept[key].to(values)
            return whole
        narrowed = values.new_zeros(*values.shape[:-1], self.widest)
        for part, rows in zip(torch.split(values, ROWS, dim=-1), self._rows(layer, name, numbers), strict=True):
            narrowed = narrowed + part @ rows.to(values)
        return narrowed

    def _rows(self, layer: int, name: str, numbers: int) -> Iterator[Float[Tensor, "some features"]]:
        source = generator(self.seed, "projection", layer, name)
        for first in range(0, numbers, ROWS):
            drawn = source.standard_normal((min(ROWS, numbers - first), self.widest), np.float32)
            yield torch.from_numpy(drawn) / self.widest**0.5
