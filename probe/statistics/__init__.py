"""Statistics: bands by prompt, paired differences, and the errors of heads by layer."""

from probe.statistics.bootstrap import (
    Band,
    MeanBootstrap,
    RatioBootstrap,
    band_of,
    difference,
    log_ratio,
    quotient,
    weights,
)
from probe.statistics.layer_errors import LayerErrors
from probe.statistics.reach import Reach, reach, reached
from probe.statistics.seeds import FEWEST, seed_band, welch_band
from probe.statistics.shares import Balanced
from probe.statistics.trend import Trend, trend

__all__ = [
    "FEWEST",
    "Balanced",
    "Band",
    "LayerErrors",
    "MeanBootstrap",
    "RatioBootstrap",
    "Reach",
    "Trend",
    "band_of",
    "difference",
    "log_ratio",
    "quotient",
    "reach",
    "reached",
    "seed_band",
    "trend",
    "weights",
    "welch_band",
]
