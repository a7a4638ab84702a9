"""Causal attention (Vaswani et al., 2017, section 3.2), its scores written out."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from probe.recompute.weights import Weights, linear, split_heads, turned


def attend(
    query: Float[Tensor, "batch time head size"],
    key: Float[Tensor, "batch time group size"],
    value: Float[Tensor, "batch time group size"],
    scale: float | None = None,
    window: int | None = None,
) -> Float[Tensor, "batch time values"]:
    """Returns every token's weighted mean of the values, heads side by side.

    Args:
        key: of as many heads as the query, or of fewer, each shared by as many consecutive ones.
        scale: on the scores; one over the root of a head's size unless given.
        window: how many tokens one sees, itself among them; all before it unless given.
    """
    shared = query.shape[2] // key.shape[2]
    key, value = key.repeat_interleave(shared, 2), value.repeat_interleave(shared, 2)
    scores = torch.einsum("bthd,bshd->bhts", query, key) * (query.shape[-1] ** -0.5 if scale is None else scale)
    place = torch.arange(query.shape[1], device=query.device)
    age = place[:, None] - place
    seen = (age >= 0) & (age < (window or len(place)))
    shares = scores.masked_fill(~seen, -torch.inf).softmax(-1)
    return torch.einsum("bhts,bshd->bthd", shares, value).flatten(2)


def attention(
    weights: Weights, x: Float[Tensor, "batch time width"], heads: int, scale: float | None = None, turn: bool = False
) -> Float[Tensor, "batch time width"]:
    """Returns the output of GPT-2's attention: queries, keys and values stand one after another, then heads.

    Args:
        turn: whether matrices are stored [in, out].
    """
    mapped = turned if turn else linear
    query, key, value = split_heads(mapped(weights, "c_attn", x), 3, heads).unbind(2)
    return mapped(weights, "c_proj", attend(query, key, value, scale))
