"""Prompts of unequal length in batches without padding: a pad would enter a recurrent model's state."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from probe.capture import DescribedModel
from probe.language.prompts import Tokenizer

NUMBERS = 2**26
"""At most so many predictions are held at once: a vocabulary times the tokens of a batch."""


@dataclass(frozen=True, eq=False)
class Reader:
    """A language model and its tokenizer, ready to read prompts.

    Args:
        batch: the most prompts a forward pass.
    """

    name: str
    stream: DescribedModel
    tokenizer: Tokenizer
    device: torch.device
    batch: int

    @property
    def layers(self) -> int:
        """The number of layers, the read-in included."""
        return len(self.stream.places)

    def batches(self, prompts: Sequence[Sequence[int]]) -> Iterator[tuple[list[int], Int[Tensor, "batch time"]]]:
        """Yields prompts of equal length together, with their places among all of them."""
        lengths: dict[int, list[int]] = {}
        for place, prompt in enumerate(prompts):
            lengths.setdefault(len(prompt), []).append(place)
        for length, places in sorted(lengths.items()):
            size = max(1, min(self.batch, NUMBERS // (length * self.stream.description.outputs)))
            for first in range(0, len(places), size):
                chosen = places[first : first + size]
                yield chosen, torch.tensor([list(prompts[place]) for place in chosen], device=self.device)
