"""What a task hands out, and how its (x, y) pairs are laid out as one sequence of tokens."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor


@dataclass(frozen=True)
class Prompts:
    """A batch of prompts x1 y1 x2 y2 ... xk yk x(k+1), each of one drawn function, or of symbols.

    Attributes:
        inputs: the tokens, vectors or the numbers of symbols; a scalar y stands in the first coordinate of its token.
        targets: what the model should predict at each query; the number of a symbol where the objective is one.
        queries: where the queries stand in the sequence, of all prompts or of each.
        contexts: the number of examples before each query.
        counted: whether a query enters loss and error; an outlier does not.
        x: the function's inputs.
        y: the function's values as the model sees them.
        parameters: what was drawn for each prompt, by task: ``w``, ``subset``, ``clean``, ...
    """

    inputs: Float[Tensor, "batch time dim"] | Int[Tensor, "batch time"]
    targets: Shaped[Tensor, "batch query target"]
    queries: Int[Tensor, " query"] | Int[Tensor, "batch query"]
    contexts: tuple[int, ...]
    counted: Bool[Tensor, "batch query"]
    x: Shaped[Tensor, "batch point *each"]
    y: Shaped[Tensor, "batch point *value"]
    parameters: dict[str, Tensor]


def paired(
    x: Float[Tensor, "batch point dim"],
    y: Float[Tensor, "batch point"],
    parameters: dict[str, Tensor],
    *,
    targets: Float[Tensor, "batch point"] | None = None,
    counted: Bool[Tensor, "batch point"] | None = None,
) -> Prompts:
    """Returns prompts of interleaved pairs, with a query at every x.

    Args:
        targets: what should be predicted, where that is not y.
        counted: whether a point enters loss and error; all do unless given.
    """
    points = y.shape[1]
    return Prompts(
        inputs=interleave(x, y),
        targets=(y if targets is None else targets)[..., None],
        queries=queries(points, x.device),
        contexts=tuple(range(points)),
        counted=torch.ones_like(y, dtype=torch.bool) if counted is None else counted,
        x=x,
        y=y,
        parameters=parameters,
    )


def only(prompts: Prompts, chosen: Int[Tensor, " chosen"]) -> Prompts:
    """Returns the same prompts with some of their queries, given by their places among them."""
    return replace(
        prompts,
        targets=prompts.targets[:, chosen],
        queries=prompts.queries[..., chosen],
        contexts=tuple(prompts.contexts[place] for place in chosen.tolist()),
        counted=prompts.counted[:, chosen],
    )


def interleave(
    x: Float[Tensor, "batch context dim"], y: Float[Tensor, "batch context"]
) -> Float[Tensor, "batch time dim"]:
    """Returns the tokens x1 y1 x2 y2 ... xn, y padded with zeros to x's dimension (Garg et al., 2022).

    The last y is left out: no prediction may depend on it.
    """
    tokens = x.new_zeros(*y.shape, 2, x.shape[-1])
    tokens[:, :, 0] = x
    tokens[:, :, 1, 0] = y
    return tokens.flatten(1, 2)[:, :-1]


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
    return torch.cat([prefix, later[:, :, None]], dim=2), prompts.targets[:, examples:, 0]
