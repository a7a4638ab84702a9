"""Affine calibration of predictions, prompt by prompt."""

from __future__ import annotations

from jaxtyping import Float, Float64
from torch import Tensor


def fit_affine(
    predicted: Float[Tensor, "*prompt query"], target: Float[Tensor, "*prompt query"]
) -> tuple[Float64[Tensor, "*prompt"], Float64[Tensor, "*prompt"]]:
    """Fits scale and shift of ``scale * predicted + shift`` to the targets by least squares over queries.

    This is the calibration of Grazzi et al. (2024), arXiv:2402.03170, section 3.2: one scale and one shift
    a prompt, from its validation queries. Predictions that do not vary get scale 0 and the targets' mean as
    shift: of the least-squares solutions, the one with the smallest scale.
    """
    # Differences from the first query, so that the deviations of a constant are exactly zero.
    x, y = predicted.double() - predicted[..., :1], target.double() - target[..., :1]
    mean_x, mean_y = x.mean(-1), y.mean(-1)
    x = x - mean_x[..., None]
    variance = x.square().mean(-1)
    covariance = (x * y).mean(-1)
    scale = covariance / variance.where(variance > 0, 1.0)
    scale = scale.where(variance > 0, 0.0)
    return scale, mean_y + target[..., 0] - scale * (mean_x + predicted[..., 0])


def apply(
    predicted: Float[Tensor, "*prompt query"],
    scale: Float[Tensor, "*prompt"],
    shift: Float[Tensor, "*prompt"],
) -> Float64[Tensor, "*prompt query"]:
    """Returns ``scale * predicted + shift``, in float64."""
    return scale[..., None] * predicted.double() + shift[..., None]
