"""The short causal convolution with SiLU before a recurrence."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from probe.kernels.causal_conv1d.reference import causal_conv1d
from probe.recompute.weights import Weights


def convolved(
    weights: Weights, name: str, x: Float[Tensor, "batch time channels"]
) -> Float[Tensor, "batch time channels"]:
    """Returns the sequence after a convolution stored [channels, 1, taps], with its bias where one is stored."""
    taps = weights.take(f"{name}.weight").squeeze(1)
    bias = weights.get(f"{name}.bias")
    return causal_conv1d(x, taps, x.new_zeros(len(taps)) if bias is None else bias)
