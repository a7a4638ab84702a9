"""Text that names something with options, ``NAME`` or ``NAME:option=value,...``, made into its frozen dataclass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from probe.errors import ProbeError, suggest

Kind = TypeVar("Kind")

FLAGS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


class _UnfitError(Exception):
    """Says what an option needs."""


def build(kinds: Mapping[str, type[Kind]], what: str, text: str, given: Mapping[str, object] | None = None) -> Kind:
    """Returns the frozen dataclass that a text names; a field is an option, read by its type.

    Args:
        kinds: every dataclass by its name; fields are int (positive), float (finite), bool, str, Literal, None
            (written none), or a union of these.
        what: what they are, in one word, for the sentences of errors.
        text: for example ``gd:steps=24``.
        given: values of fields that are no options; those that a dataclass lacks are left out.

    Raises:
        ProbeError: if the name, an option or a value does not fit.
    """
    name, _, rest = text.partition(":")
    if name not in kinds:
        known = ", ".join(kinds)
        raise ProbeError(f"No {what} is called {name!r}. {suggest(name, list(kinds))}{what.capitalize()}s: {known}.")
    kind: Any = kinds[name]
    names, given = [field.name for field in fields(kind)], given or {}
    values = {field: value for field, value in given.items() if field in names}
    types = {field: get_type_hints(kind)[field] for field in names if field not in given}
    for part in filter(None, rest.split(",")):
        option, separator, value = part.partition("=")
        if option not in types or not separator:
            options = f"Options: {', '.join(types)}." if types else "It has none."
            raise ProbeError(f"The {what} {name} has no option {part!r}. {suggest(option, list(types))}{options}")
        values[option] = parse(f"{name}:{option}", value, types[option])
    built: Kind = kind(**values)
    return built


def parse(option: str, text: str, kind: Any) -> object:
    """Returns an option's text as a value of its type.

    Raises:
        ProbeError: if it is none.
    """
    try:
        return _read(text, kind)
    except _UnfitError as needed:
        raise ProbeError(f"The option {option} was given {text!r}, but it needs {needed}. Correct the value.") from None


def _read(text: str, kind: Any) -> object:
    if get_origin(kind) in (Union, UnionType):
        return _read_any(text, get_args(kind))
    if get_origin(kind) is Literal:
        return _read_word(text, {word: word for word in get_args(kind)}, f"one of {', '.join(get_args(kind))}")
    if kind is NoneType:
        return _read_word(text.lower(), {"none": None}, "none")
    if kind is bool:
        return _read_word(text.lower(), FLAGS, "true or false")
    return text if kind is str else _read_number(text, kind)


def _read_any(text: str, kinds: tuple[Any, ...]) -> object:
    needed = []
    for kind in kinds:
        try:
            return _read(text, kind)
        except _UnfitError as error:
            needed.append(str(error))
    raise _UnfitError(" or ".join(needed))


def _read_word(text: str, words: Mapping[str, object], needed: str) -> object:
    if text not in words:
        raise _UnfitError(needed)
    return words[text]


def _read_number(text: str, kind: type[int] | type[float]) -> float:
    try:
        number = kind(text)
    except ValueError:
        raise _UnfitError("a whole number" if kind is int else "a number") from None
    if number != number or abs(number) == float("inf") or (kind is int and number < 1):
        raise _UnfitError("a positive whole number" if kind is int else "a finite number")
    return number
