"""A model's blocks as text: letters are mixers, parentheses and a count repeat, settings stand in brackets.

`M24` is a Mamba of 24 blocks, `(AF)12` a GPT-2 of 12 layers (attention, then feed-forward), `M(AM)12` the
MambaFormer of Park et al. (2024), arXiv:2402.04248. A letter may take settings: `A[heads=4]`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from probe.errors import ProbeError

MAX_BLOCKS = 1024
_TOKEN = re.compile(r"\s*(?:([A-Za-z])(?:\[([^\]]*)\])?|(\()|(\)))([0-9]*)")


@dataclass(frozen=True)
class Letter:
    """One block: its mixer's letter and the settings that stand in brackets behind it."""

    letter: str
    settings: tuple[tuple[str, str], ...] = ()


def parse_layout(text: str) -> tuple[Letter, ...]:
    """Returns the blocks that a layout text names, in order.

    Raises:
        ProbeError: if the text is empty, malformed, or asks for more than 1024 blocks.
    """
    stack: list[list[Letter]] = [[]]
    position = 0
    while position < len(text.rstrip()):
        match = _TOKEN.match(text, position)
        if match is None:
            raise _malformed(text, f"cannot be read at {text[position:]!r}")
        letter, settings, opened, closed, count = match.groups()
        if opened:
            if count:
                raise _malformed(text, f"has the count {count} after an opening parenthesis")
            stack.append([])
        else:
            if closed and len(stack) == 1:
                raise _malformed(text, "closes a parenthesis that was not opened")
            group = stack.pop() if closed else [Letter(letter.upper(), _parse_settings(text, settings))]
            _extend(text, stack[-1], group, count)
        position = match.end()
    if len(stack) > 1:
        raise _malformed(text, "leaves a parenthesis open")
    if not stack[0]:
        raise _malformed(text, "names no block")
    return tuple(stack[0])


def _extend(text: str, blocks: list[Letter], group: list[Letter], count: str) -> None:
    # six digits are more than enough to be refused, and int() takes no more than 4,300
    repeats = int(count.lstrip("0")[:6] or 0) if count else 1
    if len(blocks) + repeats * len(group) > MAX_BLOCKS:
        raise _malformed(text, f"asks for more than {MAX_BLOCKS} blocks")
    blocks.extend(group * repeats)


def _parse_settings(text: str, settings: str | None) -> tuple[tuple[str, str], ...]:
    if settings is None:
        return ()
    pairs = [part.split("=", 1) for part in settings.split(",")]
    if any(len(pair) != 2 or not all(side.strip() for side in pair) for pair in pairs):
        raise _malformed(text, f"has settings [{settings}] that are not name=value pairs")
    return tuple((name.strip(), value.strip()) for name, value in pairs)


def _malformed(text: str, fault: str) -> ProbeError:
    return ProbeError(f"The layout {text!r} {fault}. Write it like M24, (AF)12 or M(AM)12.")
