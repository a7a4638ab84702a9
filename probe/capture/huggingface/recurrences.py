"""The recurrent states of mixers of transformers, from what they read, in memory linear in the number of tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from probe.capture.huggingface.scan import MIXERS, is_scanned, states_of_scan
from probe.kernels.wkv4.reference import advance, start

Reader = Callable[[Any, Tensor, Sequence[int]], Iterator[Tensor]]


def states_of_wkv(
    mixer: Any, hidden: Float[Tensor, "batch time width"], tokens: Sequence[int]
) -> Iterator[Float[Tensor, "batch channels"]]:
    """Yields RWKV-4's weighted mean of the values so far after each of the tokens.

    Not from the model's own cache, whose step takes one sequence at a time: of several, token shifts are mixed up.

    Args:
        hidden: what the mixer reads.
        tokens: ascending, each once.
    """
    _, key, value, _ = mixer.extract_key_value(hidden)
    sums, first = start(key[:, 0]), 0
    for token in tokens:
        for place in range(first, token + 1):
            _, sums = advance(sums, key[:, place], value[:, place], mixer.time_decay, mixer.time_first)
        first = token + 1
        yield sums[0] / sums[1].clamp(min=torch.finfo(sums[1].dtype).tiny)


READERS: dict[str, Reader] = {**dict.fromkeys(MIXERS, states_of_scan), "RwkvSelfAttention": states_of_wkv}
"""By the class of a mixer."""


def reader_of(mixer: nn.Module) -> Reader | None:
    """Returns what reads a mixer's states, or None where only the model's own cache holds them, or there are none."""
    name = type(mixer).__name__
    return None if name in MIXERS and not is_scanned(mixer) else READERS.get(name)
