"""Mamba-2's mixer (Dao and Gu, 2024, arXiv:2405.21060, section 7.1), with groups of heads that share B and C."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from probe.kernels.ssd.reference import ssd
from probe.recompute.activations import silu
from probe.recompute.convolution import convolved
from probe.recompute.norms import EPSILON, rms_norm
from probe.recompute.weights import Weights, linear, split_heads


def mamba2(
    weights: Weights,
    x: Float[Tensor, "batch time width"],
    groups: int = 1,
    epsilon: float = EPSILON,
    limits: tuple[float, float] = (0.0, float("inf")),
) -> Float[Tensor, "batch time width"]:
    """Returns the mixer's output: the gated output is normed group by group before the last projection.

    Args:
        groups: the number of groups of heads, each with a B and a C.
        epsilon: that of the gated norm.
        limits: between which step sizes are held.
    """
    rates, inner = -torch.exp(weights.take("A_log")), weights.take("out_proj.weight").shape[1]
    channels = weights.take("conv1d.weight").shape[0]
    z, mixed, step = torch.split(linear(weights, "in_proj", x), [inner, channels, len(rates)], -1)
    source = (channels - inner) // 2
    u, b, c = torch.split(convolved(weights, "conv1d", mixed), [inner, source, source], -1)
    step = torch.nn.functional.softplus(step + weights.take("dt_bias")).clamp(*limits)
    # consecutive heads make a group
    heads = split_heads(u, len(rates)).chunk(groups, 2), step.chunk(groups, -1), rates.chunk(groups)
    shared = b.chunk(groups, -1), c.chunk(groups, -1), weights.take("D").chunk(groups)
    y = torch.cat([ssd(*given) for given in zip(*heads, *shared, strict=True)], 2).flatten(2)
    return linear(weights, "out_proj", rms_norm(weights, "norm", y * silu(z), epsilon, groups))
