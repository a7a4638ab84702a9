"""Bands over training seeds, apart from those over prompts."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float64
from numpy.typing import NDArray

from probe.randomness import generator
from probe.statistics.bootstrap import Band

FEWEST = 10
"""Fewer seeds than this are drawn one by one, without a band."""


def seed_band(
    errors: Float64[NDArray[np.float64], "seed cell"], resamples: int = 1000, level: float = 0.95
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Returns the mean over training seeds, and its percentile-bootstrap band, each ``[cell]``.

    Args:
        errors: one row a trained model; the models are the unit that is resampled.
    """
    assert len(errors) >= FEWEST, "a band over few seeds promises more than they can tell"
    drawn = generator("seeds", len(errors)).integers(len(errors), size=(resamples, len(errors)))
    means = errors[drawn].mean(1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return errors.mean(0), low, high


def welch_band(
    first: Float64[NDArray[np.float64], "seed cell"],
    second: Float64[NDArray[np.float64], "other cell"],
    level: float = 0.95,
) -> Band:
    """Returns the difference of two means over training seeds, first less second, with Welch's band, each ``[cell]``.

    Welch (1947), "The generalization of Student's problem when several different population variances are involved".
    Where neither side varies the band is the difference itself.

    Args:
        first: one row a trained model, two at least; `second` likewise, their numbers may differ.
        level: probability that the band covers, in each cell.
    """
    from scipy.stats import t

    parts = [side.var(axis=0, ddof=1) / len(side) for side in (first, second)]
    variance = parts[0] + parts[1]
    # bounded by the smaller side's degrees of freedom, which are also those where nothing varies
    spread = sum(part**2 / (len(side) - 1) for part, side in zip(parts, (first, second), strict=True))
    fewest = min(len(first), len(second)) - 1
    freedom = np.divide(variance**2, spread, out=np.full_like(variance, fewest), where=spread > 0)
    half = t.ppf((1 + level) / 2, freedom) * np.sqrt(variance)
    value = first.mean(axis=0) - second.mean(axis=0)
    return Band(*(torch.from_numpy(each) for each in (value, value - half, value + half)))
