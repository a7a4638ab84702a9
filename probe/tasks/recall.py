"""What tasks of keys and values share: tokens that take turns, and vectors of one norm."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def take_turns(
    keys: Float[Tensor, "batch pair dim"], values: Float[Tensor, "batch pair dim"]
) -> Float[Tensor, "batch time dim"]:
    """Returns the tokens k1 v1 k2 v2 ... kN vN."""
    return torch.stack([keys, values], dim=2).flatten(1, 2)


def of_norm(vectors: Float[Tensor, "*place dim"], norm: float) -> Float[Tensor, "*place dim"]:
    """Returns vectors of the same directions and a given norm."""
    scaled: Tensor = vectors * (norm / vectors.norm(dim=-1, keepdim=True))
    return scaled
