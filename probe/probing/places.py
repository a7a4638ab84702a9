"""Which token heads read the stream at: the query, the token after it, or one so far from it."""

from __future__ import annotations

from collections.abc import Sequence

from probe.errors import ProbeError
from probe.tasks import Prompts

OFFSETS = {"x": 0, "y": 1}
"""Tokens after the query, by what stands there in prompts of pairs."""


def offset_of(text: str) -> int:
    """Returns how many tokens after the query a text means.

    Raises:
        ProbeError: if it is neither a word nor a whole number.
    """
    if text in OFFSETS:
        return OFFSETS[text]
    try:
        return int(text)
    except ValueError:
        raise ProbeError(
            f"--at {text[:60]} was given, but x, y or a number of tokens after the query is needed. Write --at y, for "
            "instance, or --at -1 for the token before it."
        ) from None


def check_places(contexts: list[int], sample: Prompts, offset: int, asked: Sequence[int] | None) -> list[int]:
    """Returns the contexts whose token is there: of all of them those, of named ones each.

    Args:
        asked: the contexts that the user named, or None for all.

    Raises:
        ProbeError: if a named context has no such token, or none has.
    """
    if not offset:
        return contexts
    if sample.queries.ndim > 1:
        raise ProbeError(
            f"--at {offset:+d} was given, but each of these prompts is read at a token of its own. Drop --at, or give "
            "positions that are the same for all."
        )
    places = dict(zip(sample.contexts, (sample.queries + offset).tolist(), strict=True))
    there = [context for context in contexts if 0 <= places[context] < sample.inputs.shape[1]]
    if len(there) < len(contexts if asked is not None else [0]):
        missing = next(context for context in contexts if context not in there)
        raise ProbeError(
            f"--at {offset:+d} was given, but {offset:+d} tokens from the query after {missing} examples lies outside "
            f"prompts of {sample.inputs.shape[1]} tokens. Name other contexts, or another token."
        )
    return there
