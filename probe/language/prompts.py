"""The prompts of Grazzi et al. (2024): their text, the words that suit a tokenizer, and how they are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from probe.errors import ProbeError
from probe.language.pairs import Pair, Pairs, Pool
from probe.language.tasks import LanguageTask
from probe.randomness import Purpose, generator
from probe.registries import ObjectText

KEPT = 0.7
"""Words are written with a space before them where that keeps at least this share of the pairs."""


@runtime_checkable
class Tokenizer(Protocol):
    """Turns text into tokens and back."""

    def encode(self, text: str) -> list[int]:
        """Returns a text's tokens, after what this tokenizer begins every text with, if anything; nothing follows."""

    def decode(self, tokens: Sequence[int]) -> str:
        """Returns the tokens' text."""


def tokenizer_at_hand(value: object) -> ObjectText:
    """Returns a tokenizer that is given as an object, with the name of its class as its text.

    Raises:
        ProbeError: if it does not encode and decode.
    """
    if not isinstance(value, Tokenizer):
        raise ProbeError(
            f"A {type(value).__name__} was given as a tokenizer, but one has to encode and decode. Give one, or its "
            "folder or name."
        )
    return ObjectText(type(value).__name__, value)


@dataclass(frozen=True, eq=False)
class Wording:
    """A task's pairs as one tokenizer will read them.

    Args:
        pool: the pairs left after the filter.
        before: how many there were.
        space: what stands before every word: a space or nothing.
    """

    name: str
    task: LanguageTask
    pool: Pool
    before: int
    space: str

    def text(self, demonstrations: Sequence[Pair], query: Pair) -> str:
        """Returns a prompt: ``example:{input}->{answer}`` a line, the query's line without its answer."""
        shown = "".join(f"example:{self.space}{pair.input}->{self.space}{pair.answer}\n" for pair in demonstrations)
        return f"{shown}example:{self.space}{query.input}->"

    def answer(self, pair: Pair, tokenizer: Tokenizer) -> int:
        """Returns the first token of a pair's answer.

        Raises:
            ProbeError: if the tokenizer makes none of it.
        """
        tokens = continuation(self.space + pair.answer, tokenizer)
        if not tokens:
            raise ProbeError(
                f"The tokenizer makes no token of {pair.answer!r}, an answer of {self.name}. Choose other tasks, or "
                "another tokenizer."
            )
        return tokens[0]

    def draw(self, seed: int, purpose: Purpose, number: int, count: int) -> list[Pair]:
        """Returns distinct pairs for prompt n, the query first; fewer are the first of more."""
        return self.pool.draw(generator(seed, "language", self.name, purpose, number), count)


def continuation(text: str, tokenizer: Tokenizer) -> list[int]:
    """Returns the tokens of a text that follows a punctuation mark."""
    return tokenizer.encode("!" + text)[len(tokenizer.encode("!")) :]


def word(name: str, task: LanguageTask, pool: Pool, tokenizer: Tokenizer) -> Wording:
    """Returns a task's pairs as the paper's code chooses them for a tokenizer.

    Translation and linguistic tasks keep the pairs whose answer is one token, written with a space before every word
    if that keeps at least 0.7 times as many pairs as writing without; the words therefore depend on the tokenizer.
    The other tasks keep every pair, without a space.

    Raises:
        ProbeError: if fewer than two pairs are left.
    """
    if not task.filtered:
        return Wording(name, task, pool, len(pool), "")
    assert isinstance(pool, Pairs), "only lists of words are filtered"
    kept = {
        space: tuple(pair for pair in pool.pairs if len(continuation(space + pair.answer, tokenizer)) == 1)
        for space in ("", " ")
    }
    space = " " if len(kept[" "]) >= KEPT * len(kept[""]) else ""
    if len(kept[space]) < 2:
        raise ProbeError(
            f"The tokenizer keeps {len(kept[space])} of the {len(pool)} answers of {name} as one token, but at least 2 "
            "are needed. Choose other tasks, or another tokenizer."
        )
    return Wording(name, task, Pairs(kept[space]), len(pool), space)
