"""Statistics: bands by prompt, paired differences, and the errors of heads by layer."""

from probe.statistics.bootstrap import Band, MeanBootstrap, RatioBootstrap, difference, weights
from probe.statistics.layer_errors import LayerErrors

__all__ = ["Band", "LayerErrors", "MeanBootstrap", "RatioBootstrap", "difference", "weights"]
