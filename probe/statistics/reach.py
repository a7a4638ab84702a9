"""The depth at which an error is first reached, where never is later than any depth; two of them compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor


@dataclass(frozen=True)
class Reach:
    """By how much sooner or later one curve reaches an error than another.

    Attributes:
        first: the depth at which the first does, infinite if never.
        second: that of the second.
        low: lower end of the 95 % band of first less second, minus infinity where the second may never reach it.
        high: upper end, infinity where the first may never reach it.
        first_never: the share of the resamples in which the first never reaches it.
        second_never: that of the second.
        sooner: the share of the resamples in which the first reaches it before the second.
        later: the share in which it does after it; where neither reaches it neither is later.
    """

    first: float
    second: float
    low: float
    high: float
    first_never: float
    second_never: float
    sooner: float
    later: float

    @property
    def difference(self) -> float:
        """The first's depth less the second's, nan where neither reaches the error."""
        return self.first - self.second


def reached(
    errors: Float64[Tensor, "draw layer"], depths: Sequence[float], threshold: float
) -> Float64[Tensor, " draw"]:
    """Returns the depth of the first layer whose error is at most a threshold, infinite where none is."""
    under = errors <= threshold
    found = torch.tensor(depths, dtype=torch.float64)[under.int().argmax(1)]
    return found.where(under.any(1), torch.inf)


def reach(first: Float64[Tensor, " draw"], second: Float64[Tensor, " draw"]) -> Reach:
    """Returns how two depths compare, the estimates at the start and those of the same resamples after them."""
    gap = (first - second).where(first.isfinite() | second.isfinite(), 0.0)[1:].numpy()
    return Reach(
        first=first[0].item(),
        second=second[0].item(),
        # ends are differences that were drawn: between layers, and on the way to never, there is nothing
        low=float(np.quantile(gap, 0.025, method="lower")),
        high=float(np.quantile(gap, 0.975, method="higher")),
        first_never=first[1:].isinf().double().mean().item(),
        second_never=second[1:].isinf().double().mean().item(),
        sooner=float((gap < 0).mean()),
        later=float((gap > 0).mean()),
    )
