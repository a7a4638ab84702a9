"""Lists of symbols, ``a,b,c``, and what is asked of them: too many to write down, so they are drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from probe.language.pairs import Pair

ANSWERS: dict[str, Callable[[Sequence[str]], str]] = {
    "first": lambda items: items[0],
    "last": lambda items: items[-1],
    "smallest": min,
    "largest": max,
    "length": lambda items: str(len(items)),
}


@dataclass(frozen=True)
class Lists:
    """Every list of these lengths over an alphabet, repetition included; a length is drawn first, each as likely.

    Args:
        asked: the answer to a list, by name in `ANSWERS`.
    """

    alphabet: str
    lengths: tuple[int, ...]
    asked: str

    def __len__(self) -> int:
        """Returns the number of its lists."""
        return sum(len(self.alphabet) ** length for length in self.lengths)

    def pair(self, items: Sequence[str]) -> Pair:
        """Returns a list and its answer."""
        return Pair(",".join(items), ANSWERS[self.asked](items))

    def draw(self, generator: np.random.Generator, count: int) -> list[Pair]:
        """Returns distinct lists in random order; fewer are the first of more."""
        drawn: dict[Pair, None] = {}
        while len(drawn) < min(count, len(self)):
            length = self.lengths[int(generator.integers(len(self.lengths)))]
            places = generator.integers(len(self.alphabet), size=length)
            drawn[self.pair([self.alphabet[place] for place in places])] = None
        return list(drawn)
