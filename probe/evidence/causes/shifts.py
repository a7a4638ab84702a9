"""Shifts of the model's answer under an intervention, laid beside those that were predicted."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float64
from torch import Tensor

from probe.evidence.causes.table import band_of
from probe.statistics import Band, RatioBootstrap

STILL = 1e-3
"""Shifts below this share of the size of y are rounding: how well they are predicted is left open."""


class Shifts:
    """Gathers actual and predicted shifts over prompts, cell by cell; bands are by prompt.

    Args:
        cells: how many interventions are laid side by side.
        seed: of the bootstrap.
    """

    def __init__(self, cells: int, seed: int) -> None:
        self._by_actual, self._by_predicted, self._slope, self._size, self._moved = (
            RatioBootstrap((cells,), seed=seed) for _ in range(5)
        )

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
        missed, moved, asked = (actual - predicted).square().T, actual.square().T, predicted.square().T
        self._by_actual.update(numbers, missed, moved)
        self._by_predicted.update(numbers, missed, asked)
        self._slope.update(numbers, (actual * predicted).T, asked)
        self._size.update(numbers, moved, asked)
        self._moved.update(numbers, moved, target.square()[:, None])

    def r2(self) -> Band:
        """Returns 1 - sum (actual - predicted)^2 / sum actual^2, about zero; nan where nothing moved."""
        return _masked(_one_minus(self._by_actual), self._moved.estimate() > STILL**2)

    def reached(self) -> Band:
        """Returns 1 - sum (actual - predicted)^2 / sum predicted^2: 0 where nothing moved."""
        return _one_minus(self._by_predicted)

    def kept(self) -> Band:
        """Returns 1 - sum actual^2 / sum predicted^2: 1 where nothing moved."""
        return _one_minus(self._size)

    def slope(self) -> Band:
        """Returns the slope through the origin of actual on predicted shifts."""
        return band_of(self._slope)

    def size(self) -> Band:
        """Returns the root mean square of the actual shifts in units of that of the predicted ones."""
        low, high = self._size.interval()
        return Band(self._size.estimate().sqrt(), low.sqrt(), high.sqrt())


def _one_minus(ratio: RatioBootstrap) -> Band:
    low, high = ratio.interval()
    return Band(1 - ratio.estimate(), 1 - high, 1 - low)


def _masked(band: Band, known: Bool[Tensor, " cell"]) -> Band:
    value, low, high = (end.where(known, torch.nan) for end in (band.value, band.low, band.high))
    return Band(value, low, high)
