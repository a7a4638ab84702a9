"""Foreign text made fit for where it is shown: a terminal, a picture, a page, a table, a file name.

Names of checkpoints, tasks, layouts, summaries and other libraries' sentences come from files of strangers. Each passes
through the function of its destination before it is shown.
"""

from __future__ import annotations

import hashlib
import re

LINE = 300
"""Letters of a text that a terminal shows in one place: paths are shorter."""
LABEL = 60
"""Letters of a name in a picture."""
NAME = 100
"""Letters of a name in records, of which file names are made."""
FILE = 150
"""Letters of a file's name before its ending: a file system allows 255 bytes, with what is appended."""

FORMULA = re.compile(r"'*[=+\-@\t\r]")
"""How a cell begins that a spreadsheet computes, with what keeps it from doing so."""


def printable(text: object) -> str:
    """Returns a text in which "?" stands for what a terminal obeys, breaks a line at, or turns the writing by."""
    return "".join(letter if letter.isprintable() else "?" for letter in str(text))


def bounded(text: str, longest: int) -> str:
    """Returns a text as it is, or its beginning and three dots where it has more letters than a number."""
    return text if len(text) <= longest else f"{text[: max(0, longest - 3)]}..."


def reason(error: BaseException) -> str:
    """Returns the beginning of what an error of a library says: such errors may run to many lines."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:200].rstrip(".:! ")


def line(text: object, longest: int = LINE) -> str:
    """Returns a text as one line of a terminal, of bounded length."""
    return bounded(printable(text), longest)


def plain(text: object) -> str:
    """Returns a text of several lines in ASCII; "?" stands for every other letter."""
    return str(text).encode("ascii", "replace").decode()


def terminal(text: object) -> str:
    """Returns a text of several lines without anything that a terminal obeys: only its line breaks stay."""
    return "\n".join(map(printable, str(text).split("\n")))


def label(text: object, longest: int = LABEL) -> str:
    """Returns a text as matplotlib writes it letter by letter: no dollar begins a formula; twice is as good as once.

    A line break is how a title is broken, so that of a name nothing is left of it: names have none in records.
    """
    return re.sub(r"(?<!\\)\$", r"\\$", line(text, longest))


def cell(text: str) -> str:
    """Returns a text as a cell that no spreadsheet computes: `uncelled` gives it back; numbers stay what they are."""
    return f"'{text}" if FORMULA.match(text) and not _is_number(text) else text


def uncelled(text: str) -> str:
    """Returns the text of a cell that `cell` wrote."""
    return text[1:] if text.startswith("'") and FORMULA.match(text) else text


def name(text: object) -> str:
    """Returns a model's name for records: printable, bounded, and told apart by a hash where it was cut."""
    return _cut(printable(text), NAME)


def file_name(text: object, longest: int = FILE) -> str:
    """Returns a text as part of a file's name: letters, digits, ``_``, ``.`` and ``-``, at most so many bytes."""
    return _cut("".join(letter if letter.isalnum() or letter in "_.-" else "-" for letter in str(text)), longest)


def _cut(text: str, longest: int) -> str:
    """Returns a text of at most so many bytes, its end replaced by a hash of the whole where it has more."""
    whole = text.encode("utf-8", "replace")
    if len(whole) <= longest:
        return text
    return f"{whole[: longest - 9].decode('utf-8', 'ignore')}-{hashlib.sha256(whole).hexdigest()[:8]}"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
