"""The one exception a user is meant to read."""

import re

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
        printable = "".join(letter if letter.isprintable() else "?" for letter in sentence)
        super().__init__(_shortened(re.sub(rf"(\S{{{WORD}}})\S+", r"\1...", printable)))


def _shortened(text: str) -> str:
    """Returns a text of at most `MOST` letters: its beginning and its last sentence, or the end of that."""
    if len(text) <= MOST:
        return text
    last = text[text.rfind(". ", 0, -1) + 1 :]
    if len(last) > INSTRUCTION:
        last = last[: INSTRUCTION // 2].rpartition(" ")[0] + " ..." + last[-INSTRUCTION // 2 :]
    return text[: MOST - len(last) - 4] + "... " + last.lstrip()


def suggest(given: str, known: list[str]) -> str:
    """Returns ``Did you mean NAME? `` where a known name is close to what was given, else nothing."""
    from difflib import get_close_matches

    close = get_close_matches(given, known, n=1)
    return f"Did you mean {close[0]}? " if close else ""
