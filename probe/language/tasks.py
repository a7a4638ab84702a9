"""The 27 word-pair tasks of Grazzi et al. (2024), arXiv:2402.03170, section 4, after Hendel et al. (2023).

The paper reports 18 of them, marked `evaluated`; the words are the project's own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from string import ascii_lowercase, ascii_uppercase, digits
from typing import Literal, get_args

from probe.errors import ProbeError, suggest
from probe.language.lists import Lists
from probe.language.pairs import Pool, from_table, from_words

Category = Literal["algorithmic", "translation", "linguistic", "knowledge"]
Match = Literal["exact", "prefix", "synonym"]
MATCHES: dict[Category, Match] = {
    "algorithmic": "exact",
    "translation": "synonym",
    "linguistic": "exact",
    "knowledge": "prefix",
}
"""How the paper compares an answer, by category."""


@dataclass(frozen=True)
class LanguageTask:
    """A map from words to words that a prompt shows by examples.

    Args:
        evaluated: whether it is among the paper's 18.
        pool: makes the pairs.
    """

    category: Category
    evaluated: bool
    pool: Callable[[], Pool]

    @property
    def match(self) -> Match:
        """How the paper compares an answer."""
        return MATCHES[self.category]

    @property
    def filtered(self) -> bool:
        """Whether the paper keeps only pairs whose answer is one token."""
        return self.category in ("translation", "linguistic")


ENGLISH, FRENCH, SPANISH, ITALIAN = range(4)
PRESENT, GERUND, PAST, PARTICIPLE = range(4)
LETTERS = ascii_lowercase
UP_TO_FOUR = (2, 3, 4)

LANGUAGE_TASKS: dict[str, LanguageTask] = {
    "list_first": LanguageTask("algorithmic", True, lambda: Lists(LETTERS, UP_TO_FOUR, "first")),
    "list_last": LanguageTask("algorithmic", True, lambda: Lists(LETTERS, UP_TO_FOUR, "last")),
    "next_letter": LanguageTask("algorithmic", True, lambda: from_words(LETTERS[:-1], LETTERS[1:])),
    "prev_letter": LanguageTask("algorithmic", True, lambda: from_words(LETTERS[1:], LETTERS[:-1])),
    "to_lower": LanguageTask("algorithmic", True, lambda: from_words(ascii_uppercase, LETTERS)),
    "to_upper": LanguageTask("algorithmic", True, lambda: from_words(LETTERS, ascii_uppercase)),
    "list_min": LanguageTask("algorithmic", False, lambda: Lists(digits, UP_TO_FOUR, "smallest")),
    "list_max": LanguageTask("algorithmic", False, lambda: Lists(digits, UP_TO_FOUR, "largest")),
    "list_length": LanguageTask("algorithmic", False, lambda: Lists(LETTERS, (1, 2, 3), "length")),
    "char_to_int": LanguageTask("algorithmic", False, lambda: from_words(LETTERS[:9], digits[1:])),
    "int_to_char": LanguageTask("algorithmic", False, lambda: from_words(digits[1:], LETTERS[:9])),
    "country_capital": LanguageTask("knowledge", True, lambda: from_table("capitals", 0, 1)),
    "location_continent": LanguageTask("knowledge", True, lambda: from_table("continents", 0, 1)),
    "location_religion": LanguageTask("knowledge", True, lambda: from_table("religions", 0, 1)),
    "person_language": LanguageTask("knowledge", True, lambda: from_table("languages", 0, 1)),
    "antonyms": LanguageTask("linguistic", True, lambda: from_table("antonyms", 0, 1)),
    "plural_singular": LanguageTask("linguistic", True, lambda: from_table("nouns", 1, 0)),
    "singular_plural": LanguageTask("linguistic", False, lambda: from_table("nouns", 0, 1)),
    "present_simple_gerund": LanguageTask("linguistic", True, lambda: from_table("verbs", PRESENT, GERUND)),
    "present_simple_past_simple": LanguageTask("linguistic", True, lambda: from_table("verbs", PRESENT, PAST)),
    "present_simple_past_perfect": LanguageTask("linguistic", False, lambda: from_table("verbs", PRESENT, PARTICIPLE)),
    "en_es": LanguageTask("translation", True, lambda: from_table("translations", ENGLISH, SPANISH)),
    "en_fr": LanguageTask("translation", True, lambda: from_table("translations", ENGLISH, FRENCH)),
    "es_en": LanguageTask("translation", True, lambda: from_table("translations", SPANISH, ENGLISH)),
    "fr_en": LanguageTask("translation", True, lambda: from_table("translations", FRENCH, ENGLISH)),
    "en_it": LanguageTask("translation", False, lambda: from_table("translations", ENGLISH, ITALIAN)),
    "it_en": LanguageTask("translation", False, lambda: from_table("translations", ITALIAN, ENGLISH)),
}
"""Every task by its name on the command line, in the order of the paper's Table 1 as far as that goes."""

EVERYTHING = "language"
"""The name that means a set of tasks: the evaluated ones, or as its option says."""
SETS = ("evaluated", "all", *get_args(Category))


Study = Literal["numbers", "words"]
"""What a task is about, which decides how a command studies it."""


def study_of(task: str | None) -> Study:
    """Returns "words" where a task's text names a word-pair task or a set of them, else "numbers"."""
    return "words" if task is not None and task.partition(":")[0] in (EVERYTHING, *LANGUAGE_TASKS) else "numbers"


def named(text: str) -> list[str]:
    """Returns the tasks that a text names: one, ``language``, ``language:set=...`` or ``language:tasks=A+B+...``.

    Raises:
        ProbeError: if an option, a set or a task is not known.
    """
    name, _, option = text.partition(":")
    if not option:
        return [name] if name != EVERYTHING else _members("evaluated")
    key, _, value = option.partition("=")
    if name != EVERYTHING or key not in ("set", "tasks"):
        raise ProbeError(
            f"The task {name} has no option {option!r}. "
            + ("Options: set, tasks." if name == EVERYTHING else "It has none; language:tasks=A+B names several.")
        )
    if key == "set":
        return _members(value)
    chosen = list(dict.fromkeys(value.split("+")))
    for one in chosen:
        if one not in LANGUAGE_TASKS:
            hint = suggest(one, list(LANGUAGE_TASKS))
            raise ProbeError(f"No language task is called {one!r}. {hint}Tasks: {', '.join(LANGUAGE_TASKS)}.")
    return chosen


def _members(name: str) -> list[str]:
    if name not in SETS:
        raise ProbeError(f"No set of language tasks is called {name!r}. {suggest(name, list(SETS))}Sets: {SETS}.")
    if name == "all":
        return list(LANGUAGE_TASKS)
    if name == "evaluated":
        return [one for one, task in LANGUAGE_TASKS.items() if task.evaluated]
    return [one for one, task in LANGUAGE_TASKS.items() if task.category == name]
