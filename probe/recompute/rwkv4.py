"""RWKV-4's two mixers (Peng et al., 2023, arXiv:2305.13048, section 3.1)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from probe.kernels.wkv4.reference import wkv4
from probe.recompute.weights import Weights, linear


def time_mix(weights: Weights, x: Float[Tensor, "batch time width"]) -> Float[Tensor, "batch time width"]:
    """Returns the output of the time mix, eqs. 11 to 16 and 18."""
    receptance = torch.sigmoid(linear(weights, "receptance", shifted(weights, "time_mix_receptance", x)))
    key = linear(weights, "key", shifted(weights, "time_mix_key", x))
    value = linear(weights, "value", shifted(weights, "time_mix_value", x))
    mean = wkv4(key, value, weights.take("time_decay"), weights.take("time_first"))
    return linear(weights, "output", receptance * mean)


def channel_mix(weights: Weights, x: Float[Tensor, "batch time width"]) -> Float[Tensor, "batch time width"]:
    """Returns the output of the channel mix, eqs. 14, 15 and 17."""
    key = torch.relu(linear(weights, "key", shifted(weights, "time_mix_key", x))).square()
    receptance = torch.sigmoid(linear(weights, "receptance", shifted(weights, "time_mix_receptance", x)))
    return receptance * linear(weights, "value", key)


def shifted(weights: Weights, name: str, x: Float[Tensor, "batch time width"]) -> Float[Tensor, "batch time width"]:
    """Returns mu x_t + (1 - mu) x_{t-1}, zeros before the first token."""
    share = weights.take(name).flatten()
    return share * x + (1 - share) * before(x)


def before(x: Float[Tensor, "batch time width"]) -> Float[Tensor, "batch time width"]:
    """Returns the token before each one, zeros before the first."""
    return torch.cat([torch.zeros_like(x[:, :1]), x[:, :-1]], 1)
