"""The one exception a user is meant to read."""

import re

from probe.text import printable

WORD = 300
"""Letters of a word that are shown: paths are shorter."""
MOST = 500
"""Letters of what is shown altogether."""
INSTRUCTION = 240
"""Letters of the last sentence, which says what to do, that are always shown."""


class ProbeError(Exception):
    """Reports a user's mistake in one sentence: what was given, what was needed, what to do.

    The command line prints it to stderr and exits with code 2, without a traceback. Names in it may come from
    strangers' files: what a terminal would obey or break a line at is replaced, of a word without end the beginning
    is kept, and of much text the beginning and the last sentence, which says what to do.
    """

    def __init__(self, sentence: str) -> None:
        # no more is looked at than may be shown, however many megabytes a file says
        sentence = sentence if len(sentence) < 8 * MOST else sentence[: 4 * MOST] + sentence[-4 * MOST :]
        super().__init__(_shortened(re.sub(rf"(\S{{{WORD}}})\S+", r"\1...", printable(sentence))))


class UnknownNameError(ProbeError, KeyError):
    """Reports a name that a mapping does not hold; `in` and `get` see the KeyError that it is too."""

    def __str__(self) -> str:
        """Returns the sentence, which a KeyError would quote."""
        return str(self.args[0])


def _shortened(text: str) -> str:
    """Returns a text of at most `MOST` letters: its beginning and its last sentence, or the end of that."""
    if len(text) <= MOST:
        return text
    last = text[text.rfind(". ", 0, -1) + 1 :]
    if len(last) > INSTRUCTION:
        last = last[: INSTRUCTION // 2].rpartition(" ")[0] + " ..." + last[-INSTRUCTION // 2 :]
    return text[: MOST - len(last) - 4] + "... " + last.lstrip()


def closest(given: str, known: list[str]) -> str | None:
    """Returns the known name that is closest to what was given, if one is close."""
    from difflib import get_close_matches

    return next(iter(get_close_matches(given[:WORD], known, n=1)), None)


def suggest(given: str, known: list[str]) -> str:
    """Returns ``Did you mean NAME? `` where a known name is close to what was given, else nothing."""
    close = closest(given, known)
    return f"Did you mean {close}? " if close else ""
