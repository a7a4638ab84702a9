"""Word pairs, and the pools that prompts draw them from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Protocol, runtime_checkable

import numpy as np


@dataclass(frozen=True)
class Pair:
    """An input word, its answer, and other answers that a lenient reader accepts."""

    input: str
    answer: str
    accepted: tuple[str, ...] = ()


@runtime_checkable
class Pool(Protocol):
    """What the pairs of a task are drawn from."""

    def __len__(self) -> int:
        """Returns the number of its pairs."""

    def draw(self, generator: np.random.Generator, count: int) -> list[Pair]:
        """Returns distinct pairs in random order; fewer are the first of more."""


@dataclass(frozen=True)
class Pairs:
    """A list of pairs."""

    pairs: tuple[Pair, ...]

    def __len__(self) -> int:
        """Returns the number of its pairs."""
        return len(self.pairs)

    def draw(self, generator: np.random.Generator, count: int) -> list[Pair]:
        """Returns distinct pairs in random order; fewer are the first of more."""
        return [self.pairs[place] for place in generator.permutation(len(self.pairs))[:count]]


@cache
def read_table(name: str) -> tuple[tuple[tuple[str, ...], ...], ...]:
    """Returns a word list that the package ships: rows of cells, each a word and what else is accepted for it.

    The lists are the project's own. Columns stand apart by tabs, a word and its alternatives by bars.
    """
    text = files("probe.language").joinpath("words", f"{name}.tsv").read_text(encoding="utf-8")
    return tuple(tuple(tuple(cell.split("|")) for cell in line.split("\t")) for line in text.splitlines())


def from_table(name: str, inputs: int, answers: int) -> Pairs:
    """Returns the pairs of two columns of a shipped word list."""
    rows = [(row[inputs], row[answers]) for row in read_table(name)]
    return Pairs(tuple(Pair(given[0], answer[0], answer[1:]) for given, answer in rows))


def from_words(inputs: Sequence[str], answers: Sequence[str]) -> Pairs:
    """Returns the pairs of two sequences."""
    return Pairs(tuple(map(Pair, inputs, answers)))
