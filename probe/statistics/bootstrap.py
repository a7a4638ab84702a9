"""Poisson bootstrap by prompt: bands from one pass, that merge across processes and need no stored errors.

A resample gives every prompt an independent Poisson(1) number of copies (Chamandy, Muralidharan, Najmi &
Naidu 2012, "Estimating uncertainty for massive data streams"), drawn from the prompt's own number. Statistics
of the same prompts share their resamples, which is what makes differences paired. Leading axis: resamples or
prompts; the others are the statistic's cells.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import exp, factorial
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64
from numpy.typing import NDArray
from torch import Tensor

from probe.randomness import KeyedGenerator, key

RESAMPLES = 1000

Kind = TypeVar("Kind", bound="_Bootstrap")


def _poisson_table() -> NDArray[np.float32]:
    """Returns the inverse distribution function of Poisson(1) at the 65,536 values of a 16-bit draw."""
    cumulative = np.cumsum([exp(-1) / factorial(k) for k in range(12)])
    return np.searchsorted(cumulative, (np.arange(2**16) + 0.5) / 2**16).astype(np.float32)


_TABLE = _poisson_table()


def weights(seed: int, numbers: Sequence[int], resamples: int = RESAMPLES) -> Float32[Tensor, "resample batch"]:
    """Returns how often each prompt is drawn in each resample: Poisson(1), its mean and variance to 1e-4.

    Args:
        seed: any integer.
        numbers: the prompts' numbers; a prompt's weights depend on nothing else, and fewer resamples are the
            first of more.
        resamples: how many.
    """
    return _weights(seed, tuple(numbers), resamples).clone()


@lru_cache(maxsize=4)  # several statistics of one batch are updated in turn
def _weights(seed: int, numbers: tuple[int, ...], resamples: int) -> Tensor:
    words = -(-resamples // 4)
    draws = np.empty((len(numbers), words), dtype="<u8")
    keyed = KeyedGenerator()
    for row, number in enumerate(numbers):
        draws[row] = keyed.at(key(seed, "bootstrap", number)).bit_generator.random_raw(words)
    return torch.from_numpy(_TABLE[draws.view("<u2")[:, :resamples]]).T


@dataclass(frozen=True, eq=False)
class Band:
    """An estimate and its band."""

    value: Float64[Tensor, "*cell"]
    low: Float64[Tensor, "*cell"]
    high: Float64[Tensor, "*cell"]


class _Bootstrap:
    """Keeps the sums of a ratio for the point estimate and for every resample; memory knows no prompts.

    Prompts that share a draw may be given one number: they then stay together in every resample, and the
    draw is the unit.

    Args:
        shape: of one prompt's numerator.
        resamples: number of resamples.
        seed: of the prompts' weights; statistics to be compared or merged share it.
    """

    def __init__(self, shape: Sequence[int], resamples: int = RESAMPLES, seed: int = 0) -> None:
        self.shape, self.resamples, self.seed = tuple(shape), resamples, seed
        self._seen = (0, 0, 0)
        # Row 0 is the point estimate, with weight 1 for every prompt.
        self._numerator = torch.zeros(resamples + 1, *self.shape, dtype=torch.float64)
        self._denominator = torch.zeros(resamples + 1, *(1 for _ in self.shape), dtype=torch.float64)

    @property
    def prompts(self) -> int:
        """How many prompts were added."""
        return self._seen[0]

    def merge(self: Kind, other: Kind) -> Kind:
        """Returns the statistic of both sets of prompts, which must not overlap."""
        assert (self.shape, self.resamples, self.seed) == (other.shape, other.resamples, other.seed), (
            "statistics of different shapes or seeds do not add"
        )
        merged = type(self)(self.shape, self.resamples, self.seed)
        a, b, c = (mine + theirs for mine, theirs in zip(self._seen, other._seen, strict=True))
        merged._seen = (a, b, c)
        merged._numerator = self._numerator + other._numerator
        merged._denominator = self._denominator + other._denominator
        return merged

    def part(self: Kind, of: Callable[[Tensor], Tensor]) -> Kind:
        """Returns the statistic of some cells alone.

        Args:
            of: picks cells from a tensor whose first axis, of resamples, it keeps.
        """
        numerator = of(self._numerator)
        part = type(self)(numerator.shape[1:], self.resamples, self.seed)
        part._seen = self._seen
        part._numerator = numerator
        part._denominator = of(self._denominator.expand(self.resamples + 1, *self.shape))
        return part

    def estimate(self) -> Float64[Tensor, "*cell"]:
        """Returns the ratio over all prompts, nan where its denominator is 0."""
        return self._ratios()[0]

    def replicates(self) -> Float64[Tensor, "resample ..."]:
        """Returns the ratio of every resample."""
        return self._ratios()[1:]

    def draws(self) -> Float64[Tensor, "draw ..."]:
        """Returns the estimate and, after it, the ratio of every resample."""
        return self._ratios()

    def interval(self, level: float = 0.95) -> tuple[Float64[Tensor, "*cell"], Float64[Tensor, "*cell"]]:
        """Returns the lower and upper end of the pointwise percentile band."""
        return _percentiles(self.replicates(), level)

    def simultaneous(self, level: float = 0.95) -> tuple[Float64[Tensor, "*cell"], Float64[Tensor, "*cell"]]:
        """Returns the band that covers all cells at once with this probability (max-t)."""
        return _max_t(self.estimate(), self.replicates(), level)

    def _add(
        self,
        numbers: Sequence[int],
        numerator: Float[Tensor, "batch ..."],
        denominator: Float[Tensor, "batch ..."],
    ) -> None:
        assert numerator.shape == (len(numbers), *self.shape), "one numerator of the given shape a prompt"
        drawn = _weights(self.seed, tuple(numbers), self.resamples)
        weight = torch.cat([torch.ones(1, len(numbers)), drawn]).double()
        self._numerator += _weighted(weight, numerator)
        self._denominator = self._denominator + _weighted(weight, denominator)
        count, total, squares = self._seen
        self._seen = (
            count + len(numbers),
            total + sum(numbers),
            squares + sum(number * number for number in numbers),
        )

    def _ratios(self) -> Float64[Tensor, "resample ..."]:
        ratios = self._numerator / self._denominator
        return ratios.where(self._denominator != 0, torch.nan)


class RatioBootstrap(_Bootstrap):
    """Estimates a ratio of sums over prompts, such as `error`, and its bands, resampled as a ratio."""

    def update(
        self,
        numbers: Sequence[int],
        numerator: Float[Tensor, "batch ..."],
        denominator: Float[Tensor, "batch ..."],
    ) -> None:
        """Adds prompts by their numbers; denominators may have axes of length 1 where they are shared."""
        self._add(numbers, numerator, denominator)


class MeanBootstrap(_Bootstrap):
    """Estimates a mean over prompts and its bands."""

    def update(self, numbers: Sequence[int], values: Float[Tensor, "batch ..."]) -> None:
        """Adds prompts by their numbers."""
        self._add(numbers, values, torch.ones(len(numbers), *(1 for _ in self.shape)))


def difference(a: _Bootstrap, b: _Bootstrap, level: float = 0.95, simultaneous: bool = False) -> Band:
    """Returns a - b with its paired band: both are resampled together.

    Args:
        a: a statistic of some prompts.
        b: a statistic of the same prompts, of a shape that broadcasts with a's.
        level: probability that the band covers.
        simultaneous: whether the band is to cover all cells at once.
    """
    assert (a._seen, a.seed, a.resamples) == (b._seen, b.seed, b.resamples), (
        "a difference is paired only over the same prompts and resamples"
    )
    value, replicates = a.estimate() - b.estimate(), a.replicates() - b.replicates()
    ends = _max_t(value, replicates, level) if simultaneous else _percentiles(replicates, level)
    return Band(value, *ends)


def quotient(a: _Bootstrap, b: _Bootstrap, level: float = 0.95) -> Band:
    """Returns the sum of a's cells over the sum of b's, with its paired band; nan where b's sum is 0.

    Args:
        a: a statistic of some prompts.
        b: a statistic of the same prompts, in the same units.
        level: probability that the band covers.
    """
    assert (a._seen, a.seed, a.resamples) == (b._seen, b.seed, b.resamples), (
        "a quotient is paired only over the same prompts and resamples"
    )
    above, below = (one._ratios().flatten(1).sum(1) for one in (a, b))
    ratios = (above / below).where(below != 0, torch.nan)
    return Band(ratios[0], *_percentiles(ratios[1:], level))


def band_of(draws: Float64[Tensor, "draw ..."], level: float = 0.95, simultaneous: bool = False) -> Band:
    """Returns the band of something that was computed anew in every resample.

    Args:
        draws: the estimate, and after it the resamples.
        level: probability that the band covers.
        simultaneous: whether the band is to cover all cells at once.
    """
    ends = _max_t(draws[0], draws[1:], level) if simultaneous else _percentiles(draws[1:], level)
    return Band(draws[0], *ends)


def log_ratio(
    a: Float64[Tensor, " cell"],
    b: Float64[Tensor, " cell"],
    a_draws: Float64[Tensor, "resample cell"],
    b_draws: Float64[Tensor, "resample cell"],
    level: float = 0.95,
    simultaneous: bool = False,
) -> Band:
    """Returns log(a / b) with its paired band, from estimates and their resamples over the same prompts.

    Args:
        level: probability that the band covers.
        simultaneous: whether the band is to cover all cells at once.
    """
    value, replicates = a.log() - b.log(), a_draws.log() - b_draws.log()
    ends = _max_t(value, replicates, level) if simultaneous else _percentiles(replicates, level)
    return Band(value, *ends)


def _weighted(
    weight: Float64[Tensor, "resample batch"], values: Float[Tensor, "batch ..."]
) -> Float64[Tensor, "resample ..."]:
    flat = values.detach().to("cpu", torch.float64).reshape(len(values), -1)
    return (weight @ flat).reshape(len(weight), *values.shape[1:])


def _percentiles(
    replicates: Float64[Tensor, "resample ..."], level: float
) -> tuple[Float64[Tensor, "*cell"], Float64[Tensor, "*cell"]]:
    """Returns the percentiles of the replicates that are defined; nan where none is."""
    ordered = replicates.sort(dim=0).values  # nan last
    last = (~replicates.isnan()).sum(0) - 1

    def quantile(share: float) -> Tensor:
        place = share * last.clamp(min=0).double()
        below = place.floor().long()[None]
        above = (below + 1).minimum(last[None]).clamp(min=0)
        low, high = ordered.gather(0, below)[0], ordered.gather(0, above)[0]
        return low + (place - below[0]) * (high - low)

    return quantile((1 - level) / 2), quantile((1 + level) / 2)


def _max_t(
    value: Float64[Tensor, "*cell"], replicates: Float64[Tensor, "resample ..."], level: float
) -> tuple[Float64[Tensor, "*cell"], Float64[Tensor, "*cell"]]:
    """Widens each cell's standard error by the quantile of the largest deviation over all cells.

    This is the studentised maximum of Romano & Wolf (2005), with the bootstrap's standard errors. Cells that
    are constant or undefined are left out of the maximum.
    """
    spread = replicates.std(dim=0)
    varies = spread.isfinite() & (spread > 0)
    deviations = ((replicates - value).abs() / spread)[:, varies]
    if deviations.shape[1] == 0:
        return value - spread, value + spread
    critical = deviations.amax(dim=1).quantile(level)
    return value - critical * spread, value + critical * spread
