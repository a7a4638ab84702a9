"""What a learner is given: the examples of each prompt."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Examples:
    """The (x, y) pairs of a batch of prompts, and what a task may tell about them.

    Args:
        x: the inputs.
        y: their values.
        noise: standard deviation of the noise on y.
        clean: False marks an outlier.
    """

    x: Float[Tensor, "batch examples dim"]
    y: Float[Tensor, "batch examples"]
    noise: Float[Tensor, " batch"] | None = None
    clean: Bool[Tensor, "batch examples"] | None = None

    @property
    def count(self) -> int:
        """The number of examples in each prompt."""
        return self.x.shape[1]

    def first(self, count: int) -> Examples:
        """Returns the first examples of each prompt."""
        clean = None if self.clean is None else self.clean[:, :count]
        return Examples(self.x[:, :count], self.y[:, :count], self.noise, clean)

    def second_moments(self) -> tuple[Float64[Tensor, "batch dim dim"], Float64[Tensor, "batch dim"]]:
        """Returns X'X / n and X'y / n, zero without examples."""
        x, y, count = self.x.double(), self.y.double(), max(self.count, 1)
        return x.mT @ x / count, torch.einsum("bnd,bn->bd", x, y) / count
