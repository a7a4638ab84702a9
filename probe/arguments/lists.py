"""One rule for lists, everywhere: by spaces or commas.

What follows a comma goes on with the entry before it where that has options and an option follows
(``gd:steps=3,rate=0.1``), or where that is a setting and no other follows (``nodes=a,b``); the name of a file that is
there stays whole.
"""

from __future__ import annotations

import re
from pathlib import Path

OPTIONED = re.compile(r"(learner:)?[^=:,]+:\w+=")
OPTION = re.compile(r"\w+=")
SETTING = re.compile(r"\w+=")


def entries(text: str) -> list[str]:
    """Returns the entries of a list's text, parted at commas but for those within an entry (see the module)."""
    if "," not in text or Path(text).exists():
        return [text]
    found: list[str] = []
    for part in text.split(","):
        part = part.strip()
        options = found and OPTIONED.match(found[-1]) and OPTION.match(part)
        setting = found and SETTING.match(found[-1]) and "=" not in part
        if found and (options or setting):
            found[-1] += f",{part}"
        else:
            found.append(part)
    return [part for part in found if part]
