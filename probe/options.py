"""Text that names something with options, ``NAME`` or ``NAME:option=value,...``, made into its frozen dataclass."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import isroutine, signature
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, cast, get_args, get_origin

from probe.errors import ProbeError, suggest
from probe.fields import Count, UnfitError, conform, hints_of
from probe.registries import ObjectText, unknown_name

Kind = TypeVar("Kind")

FLAGS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


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
    if isinstance(text, ObjectText):
        return cast("Kind", _given_object(what, text, given or {}))
    name, _, rest = text.partition(":")
    if name not in kinds:
        raise unknown_name(what, name, list(kinds))
    kind: Any = kinds[name]
    hints, given = hints_of(kind), given or {}
    values = {field: value for field, value in given.items() if field in hints}
    types = {field: hint for field, hint in hints.items() if field not in given}
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
    except UnfitError as needed:
        raise ProbeError(f"The option {option} was given {text!r}, but it needs {needed}. Correct the value.") from None


def _given_object(what: str, text: ObjectText, given: Mapping[str, object]) -> object:
    """Returns the object that a text carries; a class or function is called with what is no option."""
    found = text.given
    if isinstance(found, type) or isroutine(found):
        return found(**{name: value for name, value in given.items() if name in signature(found).parameters})
    for name, value in given.items():
        if getattr(found, name, value) not in (value, 0):
            raise ProbeError(
                f"The {what} {text} was given with {name} {getattr(found, name)}, but {value} is needed here. Make it "
                f"with {value}."
            )
    return found


def _read(text: str, hint: Any) -> object:
    """Returns a text as a value of a type; whole numbers are positive unless their range says otherwise."""
    return conform(_value(text, hint), hint if get_origin(hint) is Annotated or hint is not int else Count)


def _value(text: str, kind: Any) -> object:
    """Returns the value that a text spells, in the first of several types that can."""
    origin = get_origin(kind)
    if origin is Annotated:
        return _value(text, get_args(kind)[0])
    if origin in (Union, UnionType):
        return _first(text, get_args(kind))
    if origin is Literal:
        return _word(
            text, {str(word): word for word in get_args(kind)}, f"one of {', '.join(map(str, get_args(kind)))}"
        )
    if kind is NoneType:
        return _word(text.lower(), {"none": None}, "none")
    if kind is bool:
        return _word(text.lower(), FLAGS, "true or false")
    return text if kind is str else _number(text, kind)


def _first(text: str, kinds: tuple[Any, ...]) -> object:
    needed = []
    for kind in kinds:
        try:
            return _read(text, kind)
        except UnfitError as error:
            needed.append(str(error))
    raise UnfitError(" or ".join(needed))


def _word(text: str, words: Mapping[str, object], needed: str) -> object:
    if text not in words:
        raise UnfitError(needed)
    return words[text]


def _number(text: str, kind: type[int] | type[float]) -> float:
    try:
        return kind(text)
    except ValueError:
        raise UnfitError("a whole number" if kind is int else "a number") from None
