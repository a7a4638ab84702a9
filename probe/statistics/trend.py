"""Whether an error falls block by block: steps beyond noise, the rate of the fall, a line against a single step.

Everything is computed on the logarithm of the error, once for the estimate and once for every resample over prompts,
so that each number comes with its band.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

from probe.statistics.bootstrap import Band, log_ratio


@dataclass(frozen=True, eq=False)
class Trend:
    """How a layer curve falls.

    Attributes:
        steps: the change of log error at every block, with bands that hold for all blocks at once, [blocks].
        improving: the share of blocks whose band lies below 0.
        worsening: the share of blocks whose band lies above 0.
        largest: the largest single fall as a share of all falls together, 1 for a curve that falls at one block.
        slope: of log error against the layer, by least squares.
        line: residual sum of squares of that straight line.
        jump: residual sum of squares of the best function that takes one value up to some layer and another after it.
        favours_line: by how much the line's Bayesian information criterion is lower than the jump's (Schwarz, 1978);
            positive values speak for the line.
    """

    steps: Band
    improving: float
    worsening: float
    largest: Band
    slope: Band
    line: Band
    jump: Band
    favours_line: Band


def trend(errors: Float64[Tensor, " layer"], draws: Float64[Tensor, "resample layer"], level: float = 0.95) -> Trend:
    """Returns how the errors of successive layers fall.

    Args:
        errors: one a layer, at least three, all positive.
        draws: the same in every resample over prompts.
        level: probability that a band covers.
    """
    steps = log_ratio(errors[1:], errors[:-1], draws[:, 1:], draws[:, :-1], level, simultaneous=True)
    both = torch.cat([errors[None], draws]).log()
    line, jump = _line(both)[1], _jump(both)
    layers = both.shape[1]
    # the line has two parameters, the jump three: two levels and the place
    criterion = layers * (_logarithm(jump) - _logarithm(line)) + torch.log(torch.tensor(float(layers)))
    return Trend(
        steps=steps,
        improving=(steps.high < 0).double().mean().item(),
        worsening=(steps.low > 0).double().mean().item(),
        largest=_band(_largest_fall(both), level),
        slope=_band(_line(both)[0], level),
        line=_band(line, level),
        jump=_band(jump, level),
        favours_line=_band(criterion, level),
    )


def _band(values: Float64[Tensor, " draw"], level: float) -> Band:
    """Returns the first value, which is the estimate, with the percentiles of the others."""
    low, high = (values[1:].quantile(share) for share in ((1 - level) / 2, (1 + level) / 2))
    return Band(values[0], low, high)


def _largest_fall(curves: Float64[Tensor, "draw layer"]) -> Float64[Tensor, " draw"]:
    falls = (-curves.diff(dim=1)).clamp(min=0)
    total = falls.sum(1)
    return torch.where(total > 0, falls.amax(1) / total, torch.ones_like(total))


def _line(curves: Float64[Tensor, "draw layer"]) -> tuple[Float64[Tensor, " draw"], Float64[Tensor, " draw"]]:
    """Returns slopes and residual sums of squares of straight lines by least squares."""
    place = torch.arange(curves.shape[1], dtype=torch.float64)
    place, centred = place - place.mean(), curves - curves.mean(1, keepdim=True)
    slope = centred @ place / place.square().sum()
    return slope, (centred - slope[:, None] * place).square().sum(1)


def _jump(curves: Float64[Tensor, "draw layer"]) -> Float64[Tensor, " draw"]:
    """Returns the residual sums of squares of the best step functions."""
    splits = [
        sum(part.var(1, correction=0) * part.shape[1] for part in (curves[:, :cut], curves[:, cut:]))
        for cut in range(1, curves.shape[1])
    ]
    return torch.stack([torch.as_tensor(split) for split in splits]).amin(0)


def _logarithm(residual: Float64[Tensor, " draw"]) -> Float64[Tensor, " draw"]:
    # a perfect fit is as good as rounding allows
    return residual.clamp(min=1e-12).log()
