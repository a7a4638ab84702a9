"""What the contexts of a record count, in words: examples, tokens, or of the user's own data the places of tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from probe.records.store import Record


@dataclass(frozen=True)
class Counted:
    """The words for what a context counts.

    Args:
        axis: the label of an axis of contexts.
        noun: what an error is given by.
        one: a context of 1.
        many: another context, with {} for the number.
        where: what stands behind that in a title of its own.
    """

    axis: str
    noun: str
    one: str
    many: str
    where: str

    def at(self, context: int) -> str:
        """Returns a context in words, as in "15 examples" or "token 4"."""
        if context == -1:
            return "the last token"
        return self.one if context == 1 else self.many.format(f"{context:,}")

    def place(self, context: int) -> str:
        """Returns a context as a title, as in "15 examples in context" or "token 4"."""
        return f"{self.at(context)}{self.where}"


COUNTED: dict[str, Counted] = {
    "examples": Counted("examples in context", "number of examples", "1 example", "{} examples", " in context"),
    "tokens": Counted("tokens before the query", "number of tokens", "1 token", "{} tokens", " before the query"),
    "places": Counted("token, counted from 0 (-1: the last)", "token", "token 1", "token {}", ""),
}
"""The words by what a task counts, which the provenance of a record tells as ``counts``."""
DEMONSTRATIONS = Counted("demonstrations", "number of demonstrations", "1 demonstration", "{} demonstrations", "")
"""The words for the contexts of language tasks."""
OF_TOKENS = ("hidden_markov", "induction", "regular_language", "token_mqar")
"""Tasks that count tokens: what older records, which do not tell what they count, must be read by."""


def counted(record: Record) -> Counted:
    """Returns the words for the contexts of a record; of one that does not tell them, by its data or its task."""
    told = COUNTED.get(str(record.provenance.get("counts")))
    if told is not None:
        return told
    if isinstance(record.provenance.get("data"), Mapping):
        return COUNTED["places"]
    config = record.provenance.get("config")
    task = config.get("task") if isinstance(config, Mapping) else getattr(config, "task", None)
    name = str(task or record.provenance.get("task")).partition(":")[0]
    return COUNTED["tokens" if name in OF_TOKENS else "examples"]
