"""What tasks of keys and values share: tokens that take turns, vectors of one norm, and whether a value is recalled."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from probe.tasks.prompts import Prompts


def take_turns(
    keys: Float[Tensor, "batch pair dim"], values: Float[Tensor, "batch pair dim"]
) -> Float[Tensor, "batch time dim"]:
    """Returns the tokens k1 v1 k2 v2 ... kN vN."""
    return torch.stack([keys, values], dim=2).flatten(1, 2)


def of_norm(vectors: Float[Tensor, "*place dim"], norm: float) -> Float[Tensor, "*place dim"]:
    """Returns vectors of the same directions and a given norm."""
    scaled: Tensor = vectors * (norm / vectors.norm(dim=-1, keepdim=True))
    return scaled


def recalled(answers: Float[Tensor, "*lead batch query dim"], prompts: Prompts) -> Bool[Tensor, "*lead batch query"]:
    """Returns whether an answer lies nearest, of all values of its prompt, to the one that is asked for."""
    values = prompts.parameters["values"]
    # the first query stands behind as many examples as there are pairs
    asked = [context - values.shape[1] for context in prompts.contexts]
    # |a - v|² without |a|², which is the same for every value
    products = torch.einsum("...bqd,bpd->...bqp", answers.to(values.dtype), values)
    distances = values.square().sum(-1)[:, None] - 2 * products
    found: Tensor = distances.argmin(-1) == prompts.parameters["queried"][:, asked]
    return found
