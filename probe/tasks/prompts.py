"""What a task hands out, and how its (x, y) pairs are laid out as one sequence of tokens."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Prompts:
    """A batch of prompts x1 y1 x2 y2 ... xk yk x(k+1), each of one drawn function.

    Attributes:
        inputs: the tokens; y stands in the first coordinate of its token.
        targets: what the model should predict at each x token, by context (the number of examples before it).
        queries: where the x tokens stand in the sequence.
        x: the function's inputs.
        y: the function's values as the model sees them.
        parameters: what was drawn for each prompt: ``w`` and, by task, ``covariance_root``, ``noise``.
    """

    inputs: Float[Tensor, "batch time dim"]
    targets: Float[Tensor, "batch context"]
    queries: Int[Tensor, " context"]
    x: Float[Tensor, "batch context dim"]
    y: Float[Tensor, "batch context"]
    parameters: dict[str, Tensor]


def interleave(
    x: Float[Tensor, "batch context dim"], y: Float[Tensor, "batch context"]
) -> Float[Tensor, "batch time dim"]:
    """Returns the tokens x1 y1 x2 y2 ... xn, y padded with zeros to x's dimension (Garg et al., 2022).

    The last y is left out: no prediction may depend on it.
    """
    padded = torch.zeros_like(x)
    padded[..., 0] = y
    tokens = torch.stack([x, padded], dim=2).flatten(1, 2)
    return tokens[:, :-1]


def queries(points: int, device: torch.device) -> Int[Tensor, " context"]:
    """Returns the positions of the x tokens among interleaved pairs: 0, 2, 4, ..."""
    return torch.arange(0, 2 * points, 2, device=device)


def truncate(x: Float[Tensor, "batch context dim"], active: int | None) -> Float[Tensor, "batch context dim"]:
    """Returns x with every coordinate from `active` on set to 0; the curriculum of Garg et al. (2022)."""
    if active is None or active >= x.shape[-1]:
        return x
    kept = x.clone()
    kept[..., active:] = 0
    return kept


def append_each(
    prompts: Prompts, examples: int
) -> tuple[Float[Tensor, "batch query time dim"], Float[Tensor, "batch query"]]:
    """Returns prompts of the first `examples` pairs with each later x appended alone, and those x's targets.

    The context never grows, so that no query sees another (Grazzi et al., 2024, section 3.2).
    """
    later, dim = prompts.x[:, examples:], prompts.x.shape[-1]
    prefix = prompts.inputs[:, None, : 2 * examples].expand(-1, later.shape[1], -1, dim)
    return torch.cat([prefix, later[:, :, None]], dim=2), prompts.targets[:, examples:]
