"""The Kalman filter of weights that drift, seen through noise that remembers."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor

LEAST = 1e-12
"""The share of its first value under which a variance is taken as 0, as rounding leaves it."""


@dataclass(frozen=True, eq=False)
class Filtered:
    """What a filter knows before each y, and how it takes each y in; the last coordinate is the noise's.

    Attributes:
        mean: of weights and noise, given all y before.
        gain: by which an error of the predicted y corrects that mean.
        variance: of y, given all y before.
    """

    mean: Float64[Tensor, "batch point state"]
    gain: Float64[Tensor, "batch point state"]
    variance: Float64[Tensor, "batch point"]


def kalman(
    x: Float[Tensor, "batch point dim"], y: Float[Tensor, "batch point"], decay: float, correlation: float, noise: float
) -> Filtered:
    """Filters y_t = w_t.x_t + v_t, where each coordinate of w and v are first-order autoregressions (Kalman, 1960).

    w_t = decay w_(t-1) + sqrt(1 - decay²) q_t and v_t = correlation v_(t-1) + sqrt(1 - correlation²) noise e_t, with q
    and e standard normal, and w_1 and v_1 as after a long time. The noise is a part of the state, so that y is a linear
    function of the state without further noise.

    Args:
        x: what the weights are multiplied by.
        y: what is seen; the mean before a point does not depend on the y there.
        decay: how much of w stays from point to point.
        correlation: how much of the noise stays.
        noise: the noise's standard deviation.
    """
    seen = torch.cat([x.double(), torch.ones_like(x[..., :1], dtype=torch.float64)], dim=-1)
    rest = seen.new_tensor([1.0] * x.shape[-1] + [noise**2])
    stays = seen.new_tensor([decay] * x.shape[-1] + [correlation])
    mean, cover = seen.new_zeros(seen.shape[0], seen.shape[-1]), torch.diag(rest).expand(len(seen), -1, -1)
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    for now, value in zip(seen.unbind(1), y.double().unbind(1), strict=True):
        crossed = torch.einsum("bij,bj->bi", cover, now)
        variance = (crossed * now).sum(1).clamp(min=0)
        known = variance <= LEAST * (now.square() * rest).sum(1)
        gain = torch.where(known[:, None], 0.0, crossed / variance[:, None])
        found.append((mean, gain, variance))
        mean = stays * (mean + gain * (value - (mean * now).sum(1))[:, None])
        cover = cover - gain[:, :, None] * crossed[:, None]
        cover = stays[:, None] * cover * stays + torch.diag(rest * (1 - stays.square()))
    means, gains, variances = zip(*found, strict=True)
    return Filtered(torch.stack(means, 1), torch.stack(gains, 1), torch.stack(variances, 1))
