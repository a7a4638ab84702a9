"""Function classes to learn in context. A task is named with options: ``noisy_linear:noise=1,target=clean``."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal, Protocol, get_args, get_origin, get_type_hints, runtime_checkable

from probe.errors import ProbeError, suggest
from probe.randomness import Source
from probe.tasks.linear import Linear
from probe.tasks.noisy_linear import NoisyLinear
from probe.tasks.prompts import Prompts
from probe.tasks.skewed_linear import SkewedLinear

__all__ = ["TASKS", "Linear", "NoisyLinear", "Prompts", "SkewedLinear", "Task", "make"]


@runtime_checkable
class Task(Protocol):
    """Draws prompts of one function class; its fields are its options."""

    @property
    def dim(self) -> int:
        """Dimension of the inputs x."""

    @property
    def variance(self) -> float:
        """The target's expected square: the mean squared error of predicting zero."""

    def draw(self, source: Source, context: int, active: int | None = None) -> Prompts:
        """Draws prompts with `context` examples before the last query; coordinates from `active` on are 0."""


TASKS: dict[str, type[Linear] | type[SkewedLinear] | type[NoisyLinear]] = {
    "linear": Linear,
    "noisy_linear": NoisyLinear,
    "skewed_linear": SkewedLinear,
}


@dataclass(frozen=True)
class _Option:
    name: str
    text: str


def make(text: str, dim: int) -> Task:
    """Returns the task that a text names, ``NAME`` or ``NAME:option=value,...``, for inputs of a dimension.

    Raises:
        ProbeError: if the name, an option or a value is not the task's.
    """
    name, _, rest = text.partition(":")
    if name not in TASKS:
        raise ProbeError(f"No task is called {name!r}. {suggest(name, list(TASKS))}Tasks: {', '.join(TASKS)}.")
    if dim < 1:
        raise ProbeError(f"The dimension {dim} was given, but inputs need at least 1. Give --dim a positive number.")
    kind = TASKS[name]
    types = get_type_hints(kind)
    known = [field.name for field in fields(kind) if field.name != "dim"]
    values: dict[str, Any] = {}
    for part in filter(None, rest.split(",")):
        option, separator, value = part.partition("=")
        if option not in known or not separator:
            raise ProbeError(
                f"The task {name} has no option {part!r}. {suggest(option, known)}Options: {', '.join(known)}."
            )
        values[option] = _parse(_Option(f"{name}:{option}", value), types[option])
    return kind(dim=dim, **values)


def _parse(option: _Option, kind: Any) -> Any:
    if get_origin(kind) is Literal:
        if option.text in get_args(kind):
            return option.text
        raise _unfit(option, f"one of {', '.join(get_args(kind))}")
    if kind is bool:
        flags = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
        if option.text.lower() in flags:
            return flags[option.text.lower()]
        raise _unfit(option, "true or false")
    try:
        number = kind(option.text)
    except ValueError as error:
        raise _unfit(option, "a whole number" if kind is int else "a number") from error
    if number != number or abs(number) == float("inf") or (kind is int and number < 1):
        raise _unfit(option, "a positive whole number" if kind is int else "a finite number")
    return number


def _unfit(option: _Option, needed: str) -> ProbeError:
    return ProbeError(f"The option {option.name} was given {option.text!r}, but it needs {needed}. Correct the value.")
