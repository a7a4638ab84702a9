"""What a command line may say: a flag for every field of a dataclass."""

from __future__ import annotations

from dataclasses import MISSING, Field, dataclass, fields
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

POSITIONAL, NEEDED, DELIVERY = "positional", "needed", "delivery"
Value = TypeVar("Value")
Positional = Annotated[Value, POSITIONAL]
"""A field that is given without a flag."""
Needed = Annotated[Value, NEEDED]
"""A field that the command line needs, and Python may leave out."""
Delivery = Annotated[Value, DELIVERY]
"""A field that says how the command line writes and prints a result, which from Python is returned."""


@dataclass(frozen=True)
class Group:
    """Marks a field whose flag stands under a title of its own in the help."""

    title: str


@dataclass(frozen=True)
class Flag:
    """One field as a command line has it.

    Attributes:
        kind: bool, int, float, str, or a Literal, of the value or of each entry.
        several: whether the field is a tuple.
        joined: whether it is a text of entries with commas between.
        alone: whether it is given without a flag.
        default: what it is unless given, `MISSING` where it must be.
        group: the title that it stands under in the help, or nothing.
        delivery: whether it says how the command line delivers a result.
    """

    name: str
    kind: Any
    several: bool
    joined: bool
    alone: bool
    default: object
    group: str = ""
    delivery: bool = False

    @property
    def word(self) -> str:
        """The flag as it is written."""
        return f"--{self.name.replace('_', '-')}"

    @property
    def listed(self) -> bool:
        """Whether it takes a list."""
        return self.several or self.joined


def flags_of(kind: type) -> list[Flag]:
    """Returns the flags that stand for the fields of a dataclass."""
    hints = get_type_hints(kind, include_extras=True)
    return [_flag(field, hints[field.name]) for field in fields(kind)]


def _flag(field: Field[Any], hint: Any) -> Flag:
    marks: list[object] = []
    bare = _bare(hint, marks)
    several = get_origin(bare) is tuple
    joined = any(hasattr(mark, "words") for mark in marks)
    kind = _bare(get_args(bare)[0], marks) if several else bare
    default = MISSING if NEEDED in marks else field.default
    group = next((mark.title for mark in marks if isinstance(mark, Group)), "")
    return Flag(field.name, kind, several, joined, POSITIONAL in marks, default, group, DELIVERY in marks)


def _bare(hint: Any, marks: list[object]) -> Any:
    """Returns a type without its annotations, which are added to the marks, and without None."""
    if get_origin(hint) is Annotated:
        inner, *found = get_args(hint)
        marks += found
        return _bare(inner, marks)
    if get_origin(hint) in (Union, UnionType):
        kinds = [each for each in get_args(hint) if each is not NoneType]
        return _bare(kinds[0], marks) if len(kinds) == 1 else str
    return hint


def is_choice(flag: Flag) -> bool:
    """Returns whether a flag takes one of a few words."""
    return get_origin(flag.kind) is Literal


def choices(flag: Flag) -> list[str]:
    """Returns the words that a flag takes one of."""
    return list(map(str, get_args(flag.kind)))
