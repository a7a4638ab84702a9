"""A model's blocks as text: letters are mixers, parentheses and a count repeat, settings stand in brackets.

`M24` is a Mamba of 24 blocks, `(AF)12` a GPT-2 of 12 layers (attention, then feed-forward), `M(AM)12` the
MambaFormer of Park et al. (2024), arXiv:2402.04248. A letter may take settings: `A[heads=4]`.

Braces repeat with the same weights: `{M}8` is one block that is applied eight times, `{AF}6` one layer six times, as in
the looped transformers of Yang et al. (2024), arXiv:2311.12424. `{AF}[input=add]6` adds the read-in to the stream again
before every layer but the first. Blocks of `({M}[input=only])8` read nothing but the read-in: what blocks before them
wrote is added up and read by the decoder alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal, get_args

from probe.errors import ProbeError

MAX_BLOCKS = 1024
_TOKEN = re.compile(r"\s*(?:([A-Za-z])(?:\[([^\]]*)\])?|([({])|(\)|\}(?:\[[^\]]*\])?))([0-9]*)")
CLOSING = {"(": ")", "{": "}"}
Input = Literal["none", "add", "only"]
INPUT: tuple[Input, ...] = get_args(Input)
"""What a block is given of the read-in beside the stream."""
NAMES = {"(": "parenthesis", ")": "parenthesis", "{": "brace", "}": "brace"}


@dataclass(frozen=True)
class Letter:
    """One block: its mixer's letter and the settings that stand in brackets behind it.

    Attributes:
        back: how many blocks before it stands the one whose weights it has; 0 where it has its own.
        input: ``add`` adds the read-in to the stream before it, ``only`` makes it read the read-in and not the stream.
    """

    letter: str
    settings: tuple[tuple[str, str], ...] = ()
    back: int = 0
    input: Input = "none"


def parse_layout(text: str) -> tuple[Letter, ...]:
    """Returns the blocks that a layout text names, in order.

    Raises:
        ProbeError: if the text is empty, malformed, or asks for more than 1024 blocks.
    """
    stack: list[list[Letter]] = [[]]
    open_: list[str] = []
    position = 0
    while position < len(text.rstrip()):
        match = _TOKEN.match(text, position)
        if match is None:
            raise _malformed(text, f"cannot be read at {text[position:]!r}")
        letter, settings, opened, closed, count = match.groups()
        if opened:
            if count:
                raise _malformed(text, f"has the count {count} after an opening {NAMES[opened]}")
            stack.append([])
            open_.append(opened)
        else:
            if closed and (not open_ or CLOSING[open_.pop()] != closed[0]):
                raise _malformed(text, f"closes a {NAMES[closed[0]]} that was not opened")
            group = stack.pop() if closed else [Letter(letter.upper(), _parse_settings(text, settings))]
            if closed and closed[0] == "}":
                _loop(text, stack[-1], group, count, closed[1:])
            else:
                _extend(text, stack[-1], group, count)
        position = match.end()
    if len(stack) > 1:
        raise _malformed(text, f"leaves a {NAMES[open_[-1]]} open")
    if not stack[0]:
        raise _malformed(text, "names no block")
    return tuple(stack[0])


def _extend(text: str, blocks: list[Letter], group: list[Letter], count: str) -> None:
    blocks.extend(group * _repeats(text, blocks, group, count))


def _loop(text: str, blocks: list[Letter], group: list[Letter], count: str, settings: str) -> None:
    """Adds a group so often with the weights of its first time."""
    given = dict(_parse_settings(text, settings[1:-1] if settings else None))
    word = next((known for known in INPUT if known == given.get("input", "none")), None)
    if set(given) - {"input"} or word is None:
        raise _malformed(text, f"has settings {settings} of a group, which may say input=add, input=only or input=none")
    for time in range(_repeats(text, blocks, group, count)):
        for place, one in enumerate(group):
            here = word == "only" or (word == "add" and time > 0 and place == 0)
            back = one.back + time * len(group) if time else one.back
            blocks.append(replace(one, back=back, input=word if here else one.input))


def _repeats(text: str, blocks: list[Letter], group: list[Letter], count: str) -> int:
    # six digits are more than enough to be refused, and int() takes no more than 4,300
    repeats = int(count.lstrip("0")[:6] or 0) if count else 1
    if len(blocks) + repeats * len(group) > MAX_BLOCKS:
        raise _malformed(text, f"asks for more than {MAX_BLOCKS} blocks")
    return repeats


def _parse_settings(text: str, settings: str | None) -> tuple[tuple[str, str], ...]:
    if settings is None:
        return ()
    pairs = [part.split("=", 1) for part in settings.split(",")]
    if any(len(pair) != 2 or not all(side.strip() for side in pair) for pair in pairs):
        raise _malformed(text, f"has settings [{settings}] that are not name=value pairs")
    return tuple((name.strip(), value.strip()) for name, value in pairs)


def _malformed(text: str, fault: str) -> ProbeError:
    return ProbeError(f"The layout {text!r} {fault}. Write it like M24, (AF)12, M(AM)12 or {{M}}8.")
