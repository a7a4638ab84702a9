"""Shifts of the model's answer under an intervention, laid beside those that were predicted."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float64
from torch import Tensor

from probe.statistics import Band, RatioBootstrap

STILL = 1e-3
"""Shifts below this share of the size of y are rounding: what would divide by them is left open."""


class Shifts:
    """Gathers actual and predicted shifts over prompts, cell by cell; bands are by prompt.

    Args:
        cells: how many interventions are laid side by side.
        seed: of the bootstrap.
    """

    def __init__(self, cells: int, seed: int) -> None:
        # sums of actual^2, predicted^2 and their product, in units of that of y^2
        self._sums = RatioBootstrap((3, cells), seed=seed)

    def add(
        self,
        numbers: range,
        actual: Float64[Tensor, "cell prompt"],
        predicted: Float64[Tensor, "cell prompt"],
        target: Float64[Tensor, " prompt"],
    ) -> None:
        """Adds prompts by their numbers.

        Args:
            target: the true answers, whose size tells a shift from rounding.
        """
        products = torch.stack([actual.square(), predicted.square(), actual * predicted])
        self._sums.update(numbers, products.permute(2, 0, 1), target.square()[:, None, None])

    def r2(self) -> Band:
        """Returns 1 - sum (actual - predicted)^2 / sum actual^2, about zero; nan where nothing moved."""
        return self._band(lambda actual, predicted, both: (2 * both - predicted) / actual, self._larger(0))

    def reached(self) -> Band:
        """Returns 1 - sum (actual - predicted)^2 / sum predicted^2: 1 where it came true, 0 where nothing moved."""
        return self._band(lambda actual, predicted, both: (2 * both - actual) / predicted, self._larger(1))

    def kept(self) -> Band:
        """Returns 1 - sum actual^2 / sum predicted^2: 1 where nothing moved."""
        return self._band(lambda actual, predicted, both: 1 - actual / predicted, self._larger(1))

    def slope(self) -> Band:
        """Returns the slope through the origin of actual on predicted shifts; nan where none was predicted."""
        return self._band(lambda actual, predicted, both: both / predicted, self._larger(1))

    def size(self) -> Band:
        """Returns the root mean square of the actual shifts in units of that of the predicted ones."""
        return self._band(lambda actual, predicted, both: (actual / predicted).sqrt(), self._larger(1))

    def _larger(self, which: int) -> Bool[Tensor, " cell"]:
        return self._sums.estimate()[which] > STILL**2

    def _band(self, of: Callable[[Tensor, Tensor, Tensor], Tensor], known: Bool[Tensor, " cell"]) -> Band:
        sums = torch.cat([self._sums.estimate()[None], self._sums.replicates()])
        values = of(*sums.unbind(1)).where(known, torch.nan)
        low, high = (values[1:].nanquantile(share, dim=0) for share in (0.025, 0.975))
        return Band(values[0], low, high)
