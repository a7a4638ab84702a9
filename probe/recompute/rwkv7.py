"""RWKV-7's two mixers (Peng et al., 2025, arXiv:2503.14456, sections 4.1 and 4.2), without the value residual."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from probe.kernels.wkv7.reference import wkv7
from probe.recompute.norms import normed
from probe.recompute.rwkv4 import before
from probe.recompute.weights import Weights, linear, split_heads

EPSILON = 64e-5
"""Of the norm over each head."""


def time_mix(weights: Weights, x: Float[Tensor, "batch time width"], heads: int) -> Float[Tensor, "batch time width"]:
    """Returns the output of the time mix."""
    r, w, k, v, a, g = (_shifted(weights, f"x_{name}", x) for name in "rwkvag")
    decay = -math.exp(-0.5) * torch.sigmoid(
        _vector(weights, "w0") + torch.tanh(w @ weights.take("w1")) @ weights.take("w2")
    )
    rate = torch.sigmoid(_vector(weights, "a0") + a @ weights.take("a1") @ weights.take("a2"))
    gate = torch.sigmoid(g @ weights.take("g1")) @ weights.take("g2")
    key, value, receptance = linear(weights, "key", k), linear(weights, "value", v), linear(weights, "receptance", r)
    removal = split_heads(key * _vector(weights, "k_k"), heads)
    removal = removal / removal.norm(dim=-1, keepdim=True).clamp(min=1e-12)
    key = key * (1 + (rate - 1) * _vector(weights, "k_a"))
    receptance, decay, key, value, rate = (split_heads(rows, heads) for rows in (receptance, decay, key, value, rate))
    read = wkv7(receptance, decay, key, value, removal, rate)
    bonus = (receptance * weights.take("r_k") * key).sum(-1, keepdim=True) * value
    return linear(weights, "output", (_normed_by_head(weights, read) + bonus.flatten(2)) * gate)


def channel_mix(weights: Weights, x: Float[Tensor, "batch time width"]) -> Float[Tensor, "batch time width"]:
    """Returns the output of the channel mix."""
    return linear(weights, "value", torch.relu(linear(weights, "key", _shifted(weights, "x_k", x))).square())


def _normed_by_head(weights: Weights, read: Tensor) -> Tensor:
    centred = read - read.mean(-1, keepdim=True)
    return normed(centred, EPSILON).flatten(2) * weights.take("ln_x.weight") + weights.take("ln_x.bias")


def _shifted(weights: Weights, name: str, x: Tensor) -> Tensor:
    """Returns x_t + mu (x_{t-1} - x_t): the shares are of the token before, unlike RWKV-4's."""
    return x + _vector(weights, name) * (before(x) - x)


def _vector(weights: Weights, name: str) -> Tensor:
    return weights.take(name).flatten()
