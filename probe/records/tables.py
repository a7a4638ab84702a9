"""Tables of text: cells, grids with bars, and how both are printed on a terminal and in Markdown."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

CELL = 60
"""Letters of a name in a table."""
EXACT = 1e-9
"""Below this a number is what rounding leaves of zero."""
BAR = 8
"""Letters of a bar."""
EIGHTHS = " ▏▎▍▌▋▊▉█"
"""A letter's cell filled from the left, by eighths."""
SPECIAL = re.compile(r"[\\`*\[\]<>|$]|^#|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
"""What Markdown reads as more than a letter; an underscore within a name it does not."""


@dataclass(frozen=True)
class Grid:
    """A table of text.

    Args:
        rows: of cells; the first row holds the titles.
        bars: the columns that hold bars, which are left out where only text is wanted.
    """

    rows: Sequence[Sequence[str]]
    bars: frozenset[int] = field(default=frozenset())

    def without_bars(self) -> Grid:
        """Returns the table without its columns of bars."""
        return Grid([[cell for place, cell in enumerate(row) if place not in self.bars] for row in self.rows])


Part = str | Grid
"""What a summary consists of: lines of words, and tables."""


def number(value: Any) -> str:
    """Returns a number with three significant digits, and nothing where there is none."""
    if value is None or pd.isna(value):
        return ""
    return f"{float(value):#.3g}".rstrip(".") if abs(value) >= EXACT else "0"


def band(low: Any, high: Any) -> str:
    """Returns a band from its ends, and nothing where there is none."""
    return f"{number(low)} to {number(high)}" if number(low) and number(high) else ""


def banded(value: Any, low: Any, high: Any) -> str:
    """Returns a number with its band in parentheses, where it has one."""
    ends = band(low, high)
    return f"{number(value)} ({ends})" if number(value) and ends else number(value)


def change(value: Any, before: Any) -> str:
    """Returns by which share a number lies above or below the one before it."""
    known = number(value) and number(before) and before != 0
    if not known:
        return ""
    return f"{100 * (float(value) / float(before) - 1):+#.3g}".rstrip(".") + " %"


def bar(value: Any, full: float) -> str:
    """Returns a bar as long as a number's share of another, in eighths of a letter, and nothing where there is none.

    Args:
        full: what the whole of `BAR` letters stands for; a larger number fills them too.
    """
    if value is None or pd.isna(value) or not math.isfinite(full) or full <= 0 or value <= 0:
        return ""
    eighths = max(1, round(min(1.0, float(value) / full) * 8 * BAR))
    whole, rest = divmod(eighths, 8)
    return EIGHTHS[8] * whole + (EIGHTHS[rest] if rest else "")


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Returns rows of cells, the first of them the titles, as lines; a column without any cell is left out.

    Words and bars stand to the left and numbers to the right.
    """
    columns = [list(column) for column in zip(*rows, strict=True) if any(column[1:])]
    padded = []
    for column in columns:
        width = max(map(len, column))
        left = any(cell[:1].isalpha() or cell[:1] in EIGHTHS[1:] for cell in column[1:] if cell)
        padded.append([cell.ljust(width) if left else cell.rjust(width) for cell in column])
    return ["  ".join(cells).rstrip() for cells in zip(*padded, strict=True)]


def on_terminal(parts: Sequence[Part], bars: bool = True) -> str:
    """Returns a summary as lines of a terminal.

    Args:
        bars: whether bars are shown, which are no ASCII.
    """
    lines: list[str] = []
    for part in parts:
        lines += [part] if isinstance(part, str) else aligned((part if bars else part.without_bars()).rows)
    return "\n".join(lines)


def in_markdown(parts: Sequence[Part]) -> str:
    """Returns a summary as Markdown: a paragraph for each line of words, and tables without bars."""
    blocks = [_escaped(part) if isinstance(part, str) else _piped(part.without_bars()) for part in parts]
    return "\n\n".join(block for block in blocks if block.strip())


def _piped(grid: Grid) -> str:
    kept = [list(column) for column in zip(*grid.rows, strict=True) if any(column[1:])]
    rows = list(zip(*kept, strict=True))
    if not rows:
        return ""
    lines = [" | ".join(map(_escaped, row)) for row in rows]
    lines.insert(1, " | ".join(["---"] * len(rows[0])))
    return "\n".join(f"| {line} |" for line in lines)


def _escaped(words: str) -> str:
    """Returns words in which no letter is read as Markdown: names come from files of strangers."""
    return SPECIAL.sub(r"\\\g<0>", words)
