"""The one exception a user is meant to read."""

import re

WORD = 300
"""Letters of a word that are shown: paths are shorter."""


class ProbeError(Exception):
    """Reports a user's mistake in one sentence: what was given, what was needed, what to do.

    The command line prints it to stderr and exits with code 2, without a traceback. Names in it may come from
    strangers' files: what a terminal would obey or break a line at is replaced, and of a word without end the beginning
    is kept.
    """

    def __init__(self, sentence: str) -> None:
        printable = "".join(letter if letter.isprintable() else "?" for letter in sentence)
        super().__init__(re.sub(rf"(\S{{{WORD}}})\S+", r"\1...", printable))


def suggest(given: str, known: list[str]) -> str:
    """Returns ``Did you mean NAME? `` where a known name is close to what was given, else nothing."""
    from difflib import get_close_matches

    close = get_close_matches(given, known, n=1)
    return f"Did you mean {close[0]}? " if close else ""
