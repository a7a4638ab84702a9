"""What a family of algorithms is: weights after every block, as a function of a few numbers that are fitted."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from jaxtyping import Float64
from torch import Tensor

from probe.evidence.families.moments import Moments

FASTEST = 8.0
"""The largest rate of a block, in units of 1 / L: Chebyshev's last steps are several."""


class Family(ABC):
    """Algorithms that differ in a few numbers, such as the rate of every block.

    Attributes:
        name: what it is called in records.
    """

    name: ClassVar[str]

    @abstractmethod
    def starts(self, blocks: int, dim: int) -> list[Float64[Tensor, " number"]]:
        """Returns the numbers that fits begin from, free of bounds."""

    @abstractmethod
    def path(self, numbers: Float64[Tensor, " number"], given: Moments, blocks: int) -> list[Tensor]:
        """Returns the weights [prompt, dim] before the first block, which are 0, and after each."""

    @abstractmethod
    def told(self, numbers: Float64[Tensor, " number"], blocks: int) -> dict[str, list[float]]:
        """Returns the fitted numbers in their own units, by what they are."""


def rates(numbers: Float64[Tensor, " block"]) -> Float64[Tensor, " block"]:
    """Returns rates between 0 and `FASTEST` from numbers without bounds."""
    bounded: Tensor = FASTEST * numbers.sigmoid()
    return bounded
