"""Bands over training seeds, apart from those over prompts."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64
from numpy.typing import NDArray

from probe.randomness import generator

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
