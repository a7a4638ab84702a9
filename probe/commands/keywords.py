"""Commands as functions: each takes a configuration, or the configuration's fields as keywords."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from dataclasses import MISSING, replace
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import Any, Concatenate, ParamSpec, TypeVar, get_type_hints

from probe.arguments import flags_of
from probe.arguments.explained import described
from probe.arguments.reading import SYNONYMS
from probe.errors import ProbeError, suggest

WIDTH = 110
"""Letters of a line of a docstring that is put together."""
MODELS = "ckpt"
CONFIGURATIONS = "probe.config"
Config = TypeVar("Config")
Given = ParamSpec("Given")
Found = TypeVar("Found")


def takes(
    kind: type[Config],
) -> Callable[[Callable[Concatenate[Config, Given], Found]], Callable[Concatenate[Config, Given], Found]]:
    """Returns a decorator: a function of a configuration then takes the configuration's fields as keywords, too.

    Keywords beside a configuration replace its fields. What the function takes by keyword alone it still takes.
    """

    def adapt(run: Callable[Concatenate[Config, Given], Found]) -> Callable[Concatenate[Config, Given], Found]:
        own = signature(run)
        beside = [one for one in own.parameters.values() if one.kind is Parameter.KEYWORD_ONLY]
        names = {one.name for one in beside}

        @wraps(run)
        def called(config: Any = None, /, **given: Any) -> Any:
            fields = {name: value for name, value in given.items() if name not in names}
            made = configured(kind, run.__name__, config, fields)
            run_with: Callable[..., Any] = run
            return run_with(made, **{name: value for name, value in given.items() if name in names})

        called.__doc__ = documented(run.__doc__ or "", kind)
        called.__signature__ = Signature(  # type: ignore[attr-defined]
            [*parameters(kind), *beside], return_annotation=own.return_annotation
        )
        as_written: Any = called
        return as_written  # type: ignore[no-any-return]

    return adapt


def parameters(kind: Any) -> list[Parameter]:
    """Returns the signature of a command: a configuration, or its fields but for those of the files written."""
    hints = get_type_hints(kind)
    first = Parameter("config", Parameter.POSITIONAL_ONLY, default=None, annotation=f"{kind.__name__} | None")
    fields = {field.name: field.default for field in kind.__dataclass_fields__.values()}
    return [
        first,
        *(
            Parameter(
                flag.name,
                Parameter.KEYWORD_ONLY,
                default=Parameter.empty if fields[flag.name] is MISSING else fields[flag.name],
                annotation=hints[flag.name],
            )
            for flag in flags_of(kind)
            if not flag.delivery
        ),
    ]


def documented(text: str, kind: Any) -> str:
    """Returns a command's docstring with what is said of the configuration's fields among its arguments."""
    before, section, after = text.partition("    Args:\n")
    told = described(kind)
    fields = [
        textwrap.fill(f"{flag.name}: {told[flag.name]}", WIDTH, initial_indent=" " * 8, subsequent_indent=" " * 12)
        for flag in flags_of(kind)
        if not flag.delivery
    ]
    return "".join([before, section, *(f"{field}\n" for field in fields), after])


def without_keyword(kind: Any) -> str | None:
    """Returns the field that may be given without a keyword: the one that has no flag, or else the models."""
    flags = flags_of(kind)
    models = MODELS if MODELS in {flag.name for flag in flags} else None
    return next((flag.name for flag in flags if flag.alone), models)


def configured(kind: type[Config], command: str, config: object, given: Mapping[str, Any]) -> Config:
    """Returns the configuration that a call means.

    Args:
        config: what was given without a keyword: a configuration, nothing, the models of a command that takes some, or
            else the value of the field that the command line takes without a flag.

    Raises:
        ProbeError: if a keyword is unknown, needed and not given, or its value does not fit.
    """
    flags = {flag.name: flag for flag in flags_of(kind)}
    for name in given:
        if name not in flags or flags[name].delivery:
            raise _unknown(command, name, [flag.name for flag in flags.values() if not flag.delivery], name in flags)
    if isinstance(config, kind):
        return replace(config, **given) if given else config  # type: ignore[type-var]
    alone = None if type(config).__module__.startswith(CONFIGURATIONS) else without_keyword(kind)
    if config is not None and (alone is None or alone in given):
        first = next(iter(flags))
        raise ProbeError(
            f"probe.{command} was given a {type(config).__name__} without a keyword, but it takes a {kind.__name__} or "
            f"keywords. Write for instance probe.{command}({first}=...)."
        )
    values = dict(given) if config is None or alone is None else {alone: config, **given}
    fields: dict[str, Any] = kind.__dataclass_fields__  # type: ignore[attr-defined]
    lacking = [name for name in flags if fields[name].default is MISSING and name not in values]
    if lacking:
        added = ", ".join(f"{name}=..." for name in lacking)
        raise ProbeError(f"probe.{command} was given no {' and no '.join(lacking)}, but needs it. Add {added}.")
    return kind(**values)


def _unknown(command: str, name: str, known: list[str], delivery: bool) -> ProbeError:
    if delivery:
        return ProbeError(
            f"probe.{command} was given {name}, but it returns its result, and writes no files. Save the result with "
            "its method save."
        )
    meant = SYNONYMS.get(name.replace("_", "-"), "")
    hint = f"Did you mean {meant}? " if meant in known else suggest(name[:100], known)
    return ProbeError(f"probe.{command} has no keyword {name[:60]!r}. {hint}Keywords: {', '.join(known)}.")
