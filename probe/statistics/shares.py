"""Statistics of heads beside their error: what share of each category they get right."""

from __future__ import annotations

from torch import Tensor

from probe.statistics.bootstrap import RatioBootstrap


class Balanced(RatioBootstrap):
    """Estimates the mean of the ratios of every category, such as the balanced accuracy, and its bands.

    The first axis of a prompt's numerator is that of categories; those that do not occur are left out of the mean.
    """

    def _ratios(self) -> Tensor:
        return super()._ratios().nanmean(1)
