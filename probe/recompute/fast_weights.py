"""Linear attention, DeltaNet and Gated DeltaNet: one layer around a matrix a head, as its official package has it.

Yang et al. (2024), arXiv:2406.06484, section 3; Yang, Kautz and Hatamizadeh (2024), arXiv:2412.06464.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from probe.kernels.delta_rule.reference import delta_rule
from probe.recompute.activations import silu
from probe.recompute.convolution import convolved
from probe.recompute.norms import EPSILON, normed
from probe.recompute.weights import Weights, linear, split_heads

KEY_EPSILON = 1e-6
"""Added to the squared length of queries and keys before they are brought to length 1."""


def linear_attention(
    weights: Weights, x: Float[Tensor, "batch time width"], settings: Mapping[str, str], heads: int
) -> Float[Tensor, "batch time width"]:
    """Returns the output of linear attention: values are added under their keys."""
    return _write(weights, x, settings, heads, None, None)


def deltanet(
    weights: Weights, x: Float[Tensor, "batch time width"], settings: Mapping[str, str], heads: int
) -> Float[Tensor, "batch time width"]:
    """Returns the output of DeltaNet: a value replaces a share of what stood under its key."""
    return _write(weights, x, settings, heads, torch.sigmoid(linear(weights, "b_proj", x)), None)


def gated_deltanet(
    weights: Weights, x: Float[Tensor, "batch time width"], settings: Mapping[str, str], heads: int
) -> Float[Tensor, "batch time width"]:
    """Returns the output of Gated DeltaNet: as DeltaNet, on a matrix that decays."""
    step = torch.nn.functional.softplus(linear(weights, "a_proj", x) + weights.take("dt_bias"))
    decay = -torch.exp(weights.take("A_log")) * step
    gate = silu(linear(weights, "g_proj", x)) if settings.get("gate", "on") == "on" else None
    return _write(weights, x, settings, heads, torch.sigmoid(linear(weights, "b_proj", x)), decay, gate)


def _write(
    weights: Weights,
    x: Tensor,
    settings: Mapping[str, str],
    heads: int,
    beta: Tensor | None,
    decay: Tensor | None,
    gate: Tensor | None = None,
) -> Tensor:
    query, key, value = (_by_head(weights, name, x, settings, heads) for name in "qkv")
    if settings.get("feature", "silu") == "silu":
        query, key = (row * torch.rsqrt(row.square().sum(-1, keepdim=True) + KEY_EPSILON) for row in (query, key))
    rows = (each if each is None else each.transpose(1, 2) for each in (query, key, value, beta, decay))
    read = delta_rule(*rows).transpose(1, 2)  # type: ignore[arg-type]  # the first three are there
    if settings.get("norm", "on") == "on":
        read = normed(read, EPSILON) * weights.take("o_norm.weight")
    read = read.flatten(2)
    return linear(weights, "o_proj", read if gate is None else read * gate)


def _by_head(weights: Weights, name: str, x: Tensor, settings: Mapping[str, str], heads: int) -> Tensor:
    row = linear(weights, f"{name}_proj", x)
    if settings.get("conv", "on") == "on":
        row = convolved(weights, f"{name}_conv1d", row)
    elif settings.get("feature", "silu") == "silu":
        row = silu(row)
    return split_heads(row, heads)
