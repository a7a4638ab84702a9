"""How an answer is compared with the right one: exactly, by prefix, or with its synonyms."""

from __future__ import annotations

from collections.abc import Callable

from probe.language.pairs import Pair
from probe.language.tasks import Match


def first_line(text: str) -> str:
    """Returns the answer in a decoded text: its first line, without spaces around it."""
    return text.split("\n")[0].strip()


def exact(answer: str, pair: Pair) -> bool:
    """Says whether the answer is the right word."""
    return answer == pair.answer


def prefix(answer: str, pair: Pair) -> bool:
    """Says whether the answer begins the right word or the other way round; as published, one letter is enough."""
    return bool(answer) and (pair.answer.startswith(answer) or answer.startswith(pair.answer))


def synonym(answer: str, pair: Pair) -> bool:
    """Says whether the answer is the right word or one that the project's own lists accept for it.

    The paper's code compares WordNet's sets of synonyms, which are not shipped here and are more lenient.
    """
    return answer in (pair.answer, *pair.accepted)


MATCHERS: dict[Match, Callable[[str, Pair], bool]] = {"exact": exact, "prefix": prefix, "synonym": synonym}
