"""The recurrent states that a model of transformers keeps in its own cache, as it goes token by token."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

CACHES = ("cache", "past_key_values")
"""What families call what they remember, as an argument and in what they return."""


@torch.no_grad()
def stepping_states(
    model: nn.Module, inputs: Int[Tensor, "batch time"], tokens: Sequence[int]
) -> Iterator[tuple[dict[int, Float[Tensor, "batch numbers"]], Float[Tensor, "batch outputs"]]]:
    """Yields, after each of the tokens, the states by layer and the logits; without a cache of states, none.

    Memory is that of the model's own decoding, which of a recurrent model does not grow with the tokens.

    Args:
        tokens: ascending, each once.
    """
    known = inspect.signature(model.forward).parameters
    name = next((each for each in CACHES if each in known), "")
    remembered: Any = None
    wanted = set(tokens)
    for token, symbols in enumerate(inputs[:, : tokens[-1] + 1].unbind(1)):
        given = {"input_ids": symbols[:, None], "use_cache": True, "return_dict": True}
        if remembered is not None:
            given[name] = remembered
        output = model(**given)
        remembered = getattr(output, name, None) if name else None
        if token in wanted or token == 0:
            states = _states(remembered)
            if not states:
                yield {}, output.logits[:, -1]
                return
            if token in wanted:
                yield states, output.logits[:, -1]


def _states(remembered: Any) -> dict[int, Tensor]:
    found: dict[int, Tensor] = {}
    for place, layer in enumerate(getattr(remembered, "layers", ())):
        kept = [each for each in dict(getattr(layer, "recurrent_states", {})).values() if isinstance(each, Tensor)]
        if kept:
            found[place + 1] = torch.cat([each.flatten(1) for each in kept], dim=1).clone()
    return found
