"""What the fields of a settings class may hold: checked against their annotated types whenever one is made."""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from probe.errors import ProbeError, suggest
from probe.registries import IN_A_FILE, imported, is_object_for, object_text, registered
from probe.registries import ObjectText as ObjectText

Kind = TypeVar("Kind")

LONGEST = 10_000
"""Letters of a text."""
UNMET = 1e12
"""An upper bound of at least this keeps numbers within range, and is not told to the user."""
SHOWN = 60
"""Letters of a refused value that a message shows."""


@dataclass(frozen=True)
class Range:
    """Marks the bounds of a number, or of each number of a list.

    Args:
        low: the smallest value.
        high: the largest value.
        open: whether `low` itself is left out.
    """

    low: float
    high: float
    open: bool = False

    def __contains__(self, number: float) -> bool:
        """Returns whether a number lies within the bounds."""
        return (self.low < number if self.open else self.low <= number) and number <= self.high

    def needed(self, whole: bool) -> str:
        """Returns the condition on a number, in words."""
        if whole and self.low == 1 and self.high >= UNMET:
            return "a positive whole number"
        if self.open and self.low == 0 and self.high >= UNMET:
            return "a positive number"
        return f"a {'whole ' if whole else ''}number {self}"

    def __str__(self) -> str:
        """Returns the bounds in words; an upper bound that is not told is left out."""
        low, high = _plain(self.low), _plain(self.high)
        if self.high >= UNMET:
            return f"above {low}" if self.open else f"of at least {low}"
        return f"above {low} and at most {high}" if self.open else f"from {low} to {high}"


@dataclass(frozen=True)
class NameOf:
    """Marks a text, or each text of a list, that begins with a name of a registry, see `probe.registries`."""

    registry: str


@dataclass(frozen=True)
class OrObject:
    """Marks a text, or each text of a list, in whose place an object may be given.

    Args:
        reader: a function, as MODULE:NAME, that returns the object as commands take it, with its text.
    """

    reader: str


@dataclass(frozen=True)
class Numbers:
    """Marks a text of whole numbers of 0 or more with commas between, or one of a few words.

    Args:
        words: what may stand there instead of numbers.
    """

    words: tuple[str, ...]

    def text(self, value: object) -> str:
        """Returns a number, a list of numbers or a text as text.

        Raises:
            UnfitError: if it names anything else.
        """
        if isinstance(value, str) and value in self.words:
            return value
        parts = value.replace(",", " ").split() if isinstance(value, str) else _listed(value)
        try:
            numbers = sorted({int(part) if isinstance(part, str) else _whole(part) for part in parts})
        except (ValueError, UnfitError):
            numbers = []
        if not numbers or numbers[0] < 0 or numbers[-1] > 2**31:
            raise UnfitError(f"{', '.join(self.words)} or whole numbers of 0 or more, such as 0,5,10")
        return ",".join(map(str, numbers))


Count = Annotated[int, Range(1, 2**40)]
"""A number of things, at least one."""
Size = Annotated[int, Range(1, 2**20)]
"""The number of coordinates, units or tokens of something that is held in memory as a whole."""
Positive = Annotated[float, Range(0, 3e38, open=True)]
"""A number above 0 that a float32 holds."""
NotNegative = Annotated[float, Range(0, 3e38)]
"""A number of 0 or more that a float32 holds."""
Share = Annotated[float, Range(0, 1)]
"""A number from 0 to 1."""
Dimension = Annotated[int, Range(1, 2**16)]
"""The dimension of vectors that are drawn."""
Scale = Annotated[float, Range(0, 1e6, open=True)]
"""A factor whose square a float32 holds beside others."""
Spread = Annotated[float, Range(0, 1e6)]
"""A standard deviation whose square a float32 holds beside others."""


class UnfitError(Exception):
    """Says what is needed in place of a value, as the end of a sentence: "a whole number from 1 to 9"."""


def check(settings: Any, called: Callable[[str], str] = lambda name: f"--{name.replace('_', '-')}") -> None:
    """Replaces every field of a frozen dataclass by a value of its type, or refuses it; for `__post_init__`.

    A single value stands for a list of one, a path for its text, a whole number for a float.

    Args:
        called: how messages call a field; by default as a flag.

    Raises:
        ProbeError: if a value fits none of its field's types, lies outside its range, or names what is not registered.
    """
    for name, hint in hints_of(type(settings)).items():  # type: ignore[arg-type]  # classes are hashable
        given = getattr(settings, name)
        try:
            value = conform(given, hint)
        except UnfitError as needed:
            raise ProbeError(
                f"{called(name)} was given {_shown(given)}, but it needs {needed}. {_advice(given, hint)}"
            ) from None
        object.__setattr__(settings, name, value)


class Checked:
    """A frozen dataclass whose fields are checked against their types whenever one is made."""

    def __post_init__(self) -> None:
        """Checks every field.

        Raises:
            ProbeError: if one does not fit, see `check`.
        """
        kind = type(self).__name__
        check(self, lambda name: f"The option {name} of {kind}")


class Settings:
    """The settings of a command, each a flag and a keyword; a value that does not fit its type is refused."""

    task: str | None
    dim: int | None

    def __post_init__(self) -> None:
        """Checks every field; a task that is given as an object brings its dimension, one in a file is read from it."""
        check(self)
        task = getattr(self, "task", None)
        if isinstance(task, str) and not isinstance(task, ObjectText) and IN_A_FILE.fullmatch(task):
            task = imported("probe.tasks.registered:named_by_user")(task)
            object.__setattr__(self, "task", task)
        if isinstance(task, ObjectText) and not isinstance(task.given, type) and getattr(self, "dim", 0) is None:
            object.__setattr__(self, "dim", getattr(task.given, "dim", 0) or None)


@cache
def hints_of(kind: Hashable) -> dict[str, Any]:
    """Returns the fields of a dataclass with their types, annotations kept."""
    assert isinstance(kind, type) and is_dataclass(kind), f"{kind} is no dataclass"
    hints = get_type_hints(kind, include_extras=True)
    return {field.name: hints[field.name] for field in fields(kind)}


def conform(value: object, hint: Any) -> Any:
    """Returns a value as its type has it.

    Raises:
        UnfitError: if it does not fit.
        ProbeError: if it is a name that is not registered.
    """
    origin = get_origin(hint)
    if origin is Annotated:
        kind, *marks = get_args(hint)
        return _marked(value, kind, marks)
    if origin in (Union, UnionType):
        return _any_of(value, get_args(hint))
    if origin is Literal:
        return _one_of(value, get_args(hint))
    if origin is tuple:
        return tuple(conform(item, get_args(hint)[0]) for item in _listed(value))
    if is_dataclass(hint) and isinstance(hint, type):
        if not isinstance(value, hint):
            raise UnfitError(f"a {hint.__name__}")
        return value
    return PLAIN[hint](value) if hint in PLAIN else value


def from_plain(kind: type[Kind], values: object) -> Kind:
    """Returns a dataclass made of what a file holds: a mapping of its fields, dataclasses within as mappings.

    Raises:
        ProbeError: if a field is missing, unknown, or does not fit.
    """
    hints = hints_of(kind)  # type: ignore[arg-type]
    if not isinstance(values, Mapping):
        raise ProbeError(
            f"{_shown(values)} was given, but the fields of a {kind.__name__} by name are needed. Add them."
        )
    unknown = [name for name in values if name not in hints]
    if unknown:
        raise ProbeError(
            f"The field {_shown(unknown[0])} was given, which a {kind.__name__} does not have. "
            f"{suggest(str(unknown[0])[:SHOWN], list(hints))}Drop it."
        )
    needed = [field.name for field in fields(kind) if field.default is MISSING and field.default_factory is MISSING]  # type: ignore[arg-type]
    missing = [name for name in needed if name not in values]
    if missing:
        raise ProbeError(f"The field {missing[0]} of a {kind.__name__} is missing. Add it.")
    inside = {name: hint for name, hint in hints.items() if isinstance(hint, type) and is_dataclass(hint)}
    inner = {
        name: values[name] if isinstance(values[name], one) else from_plain(one, values[name])
        for name, one in inside.items()
        if name in values
    }
    made: Kind = kind(**{**values, **inner})
    return made


def _marked(value: object, kind: Any, marks: Sequence[object]) -> Any:
    names = [mark for mark in marks if isinstance(mark, NameOf)]
    ranges = [mark for mark in marks if isinstance(mark, Range)]
    for mark in marks:
        if isinstance(mark, Numbers):
            return mark.text(value)
        if isinstance(mark, OrObject) and not isinstance(value, str | os.PathLike | NoneType):
            return imported(mark.reader)(value)
    if names:
        value = _named(value, kind, names[0].registry)
    try:
        found = conform(value, kind)
    except UnfitError as needed:
        raise UnfitError(ranges[0].needed(kind is int) if ranges else str(needed)) from None
    for one in found if isinstance(found, tuple) else [found]:
        for bounds in ranges:
            if one is not None and not isinstance(one, str) and one not in bounds:
                raise UnfitError(bounds.needed(isinstance(one, int)))
    return found


def _named(value: object, kind: Any, registry: str) -> object:
    """Returns names as they are registered, and of what was given as an object its text."""
    if get_origin(kind) is tuple:
        return tuple(_named(item, str, registry) for item in _listed(value))
    if isinstance(value, ObjectText):
        return value
    if isinstance(value, str):
        return registered(registry, value)
    return object_text(value, registry) if is_object_for(registry, value) else value


def _listed(value: object) -> Sequence[object]:
    value = value.tolist() if hasattr(value, "tolist") else value  # arrays and tensors
    if isinstance(value, str | os.PathLike) or not isinstance(value, Sequence | set | frozenset):
        return (value,)
    return sorted(value, key=str) if isinstance(value, set | frozenset) else value


def _any_of(value: object, kinds: tuple[Any, ...]) -> Any:
    needed = []
    for kind in kinds:
        try:
            return conform(value, kind)
        except UnfitError as error:
            needed += [str(error)] if kind is not NoneType else []
    raise UnfitError(" or ".join(dict.fromkeys(needed)))


def _one_of(value: object, words: tuple[Any, ...]) -> Any:
    for word in words:
        if type(value) is type(word) and value == word:
            return word
    raise UnfitError(f"one of {', '.join(map(str, words))}" if len(words) > 1 else str(words[0]))


def _text(value: object) -> str:
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if not isinstance(value, str):
        raise UnfitError("a text")
    if len(value) > LONGEST or "\x00" in value:
        raise UnfitError(f"a text of at most {LONGEST} letters, none of them 0")
    return value


def _whole(value: object) -> int:
    if isinstance(value, bool) or type(value).__name__ == "bool":
        raise UnfitError("a whole number")
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise UnfitError("a whole number") from None


def _number(value: object) -> float:
    if isinstance(value, bool | str | bytes):
        raise UnfitError("a number")
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        raise UnfitError("a number") from None
    if number != number or abs(number) == float("inf"):
        raise UnfitError("a finite number")
    return number


def _flag(value: object) -> bool:
    if not (isinstance(value, bool) or type(value).__name__ == "bool"):
        raise UnfitError("True or False")
    return bool(value)


def _none(value: object) -> None:
    if value is not None:
        raise UnfitError("nothing")


PLAIN: dict[Any, Callable[[object], Any]] = {str: _text, int: _whole, float: _number, bool: _flag, NoneType: _none}
"""How a value is read as one of a plain type."""


def _advice(given: object, hint: Any) -> str:
    """Returns the advice at the end of a message: the nearest permitted word, or that the value is to be corrected."""
    words = [word for word in _words(hint) if isinstance(word, str)]
    return f"{suggest(str(given)[:SHOWN], words)}Correct the value."


def _words(hint: Any) -> list[Any]:
    if get_origin(hint) is Literal:
        return list(get_args(hint))
    return [word for inner in get_args(hint) for word in _words(inner) if inner is not hint]


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    return repr(text[:SHOWN]) if isinstance(value, str) else text[:SHOWN]


def _plain(bound: float) -> str:
    return f"{bound:,.0f}" if float(bound).is_integer() and abs(bound) < 1e15 else f"{bound:g}"
