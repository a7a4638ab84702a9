"""Joined pairs and linear self-attention on them, token by token.

von Oswald et al. (2023), arXiv:2212.07677; Ahn et al. (2023), arXiv:2306.00297.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from probe.recompute.weights import Weights

LIMIT = 3.0
"""Of every number that is added."""


def joining(x: Float[Tensor, "batch time width"], settings: Mapping[str, str]) -> Float[Tensor, "batch time width"]:
    """Returns (x, y) at tokens y and (x, 0) at tokens x, and in slots the pairs before each."""
    slots = int(settings.get("slots", "0"))
    size = x.shape[-1] // (slots + 1)
    tokens = [x[:, place, :size] for place in range(x.shape[1])]
    for place in range(1, len(tokens), 2):
        y = tokens[place]
        tokens[place] = tokens[place - 1] + torch.cat([y[:, 1:], y[:, :1]], dim=-1)
    rows = []
    for place, token in enumerate(tokens):
        pairs = tokens[1 : place + 1 : 2] if slots else []
        empty = [torch.zeros_like(token)] * (slots - len(pairs))
        rows.append(torch.cat([token, *pairs, *empty], dim=-1))
    return torch.stack(rows, dim=1)


def joined_attention(
    weights: Weights, x: Float[Tensor, "batch time width"], settings: Mapping[str, str]
) -> Float[Tensor, "batch time width"]:
    """Returns P p (p' Q z), summed over the pairs p that a token z sees: of its own slots, or up to it."""
    match, write = weights.take("q.weight"), weights.take("p.weight")
    slots = int(settings.get("slots", "0"))
    rows = []
    for place in range(x.shape[1]):
        own = x[:, place].reshape(len(x), slots + 1, -1)
        pairs = own[:, 1:] if slots else x[:, 1 : place + 1 : 2]
        scores = torch.einsum("bni,ij,bzj->bzn", pairs, match, own)
        rows.append(torch.einsum("bzn,bni,oi->bzo", scores, pairs, write).flatten(1))
    return torch.stack(rows, dim=1).clamp(-LIMIT, LIMIT)
