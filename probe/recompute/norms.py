"""The norms, from their definitions."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from probe.recompute.weights import Weights, split_heads

EPSILON = 1e-5
"""Of every norm of our own models and of the official runs."""


def rms_norm(
    weights: Weights, name: str, x: Float[Tensor, "*place width"], epsilon: float = EPSILON, groups: int = 1
) -> Float[Tensor, "*place width"]:
    """Returns x over its root mean square, times the stored weight (Zhang and Sennrich, 2019, arXiv:1910.07467).

    Args:
        groups: parts of the width that are normed each by itself.
    """
    return normed(x, epsilon, groups) * weights.take(f"{name}.weight")


def layer_norm(
    weights: Weights, name: str, x: Float[Tensor, "*place width"], epsilon: float = EPSILON
) -> Float[Tensor, "*place width"]:
    """Returns x less its mean, over its deviation, with the stored weight and bias (Ba et al., 2016)."""
    centred = x - x.mean(-1, keepdim=True)
    scaled = normed(centred, epsilon) * weights.take(f"{name}.weight")
    bias = weights.get(f"{name}.bias")
    return scaled if bias is None else scaled + bias


def no_norm(
    weights: Weights, name: str, x: Float[Tensor, "*place width"], epsilon: float = EPSILON
) -> Float[Tensor, "*place width"]:
    """Returns x."""
    return x


def normed(x: Float[Tensor, "*place width"], epsilon: float, groups: int = 1) -> Float[Tensor, "*place width"]:
    """Returns x over its root mean square, group by group, without a weight."""
    parts = split_heads(x, groups)
    scaled: Tensor = parts * torch.rsqrt(parts.square().mean(-1, keepdim=True) + epsilon)
    return scaled.flatten(-2)


Norm = Callable[..., Tensor]
NORMS: dict[str, Norm] = {"rms": rms_norm, "layer": layer_norm, "none": no_norm}
