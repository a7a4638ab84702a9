"""Reads a command line as dataclasses; every mistake is one sentence."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import MISSING
from pathlib import Path
from typing import Any

from probe.arguments.explained import shown, usage
from probe.arguments.flags import Flag, choices, flags_of, is_choice
from probe.arguments.lists import entries
from probe.errors import ProbeError, suggest

TRUTHS = {"true": True, "false": False}
SYNONYMS = {
    "checkpoint": "ckpt", "checkpoints": "ckpt", "model": "ckpt", "models": "ckpt", "output": "out", "stem": "out",
    "file": "out", "architecture": "arch", "learning-rate": "lr", "batch-size": "batch", "examples": "context",
    "n-prompts": "prompts", "num-prompts": "prompts", "silent": "quiet", "no-color": "plain", "dimension": "dim",
    "layers": "blocks", "style": "prompting", "axis": "depth", "x": "depth", "baseline": "learner",
}  # fmt: skip
"""What else a flag is called elsewhere."""
LONG = 100
"""Letters of a word that is compared with known ones."""


def read(given: Sequence[str], command: str, *kinds: type) -> list[Any]:
    """Returns a dataclass of each kind, made of the flags that are given.

    Args:
        command: how the command is called, for the sentences of errors.

    Raises:
        ProbeError: if a flag is unknown, needed and not given, or has a value that does not fit.
    """
    flags = [flag for kind in kinds for flag in flags_of(kind)]
    found = _values(given, command, flags)
    _check_needed(found, command, flags)
    return [kind(**{flag.name: found[flag.name] for flag in flags_of(kind) if flag.name in found}) for kind in kinds]


def _values(given: Sequence[str], command: str, flags: Sequence[Flag]) -> dict[str, Any]:
    """Returns the values of the fields that are given."""
    texts: dict[str, list[str]] = {}
    values: dict[str, Any] = {}
    bare: list[tuple[str, str]] = []
    tokens, last = list(given), ""
    while tokens:
        token = tokens.pop(0)
        if not _is_flag(token):
            bare.append((token, last))
            continue
        word, equals, value = token.partition("=")
        flag, negated = _named(word, command, flags)
        if flag.kind is bool:
            told = value if equals else tokens.pop(0) if tokens and tokens[0].lower() in TRUTHS else "true"
            values[flag.name], last = _truth(flag, told) is not negated, ""
            continue
        taken = [value] if equals else []
        while tokens and not _is_flag(tokens[0]) and (flag.listed or not taken):
            taken.append(tokens.pop(0))
        _check_count(flag, taken, flag.name in texts)
        texts[flag.name] = texts.get(flag.name, []) + taken
        last = "" if flag.listed else f"{flag.word} {taken[0]}"
    texts |= _without_flag(bare, command, flags, texts)
    by_name = {flag.name: flag for flag in flags}
    return values | {name: _value(by_name[name], parts) for name, parts in texts.items()}


def _is_flag(token: str) -> bool:
    return re.match(r"--?[A-Za-z]", token) is not None


def _named(word: str, command: str, flags: Sequence[Flag]) -> tuple[Flag, bool]:
    """Returns the flag that a word names, and whether ``--no-`` negates it."""
    known = {flag.word: flag for flag in flags if not flag.alone}
    plain = word.replace("_", "-")
    if plain in known:
        return known[plain], False
    positive = plain.replace("--no-", "--", 1)
    if plain.startswith("--no-") and positive in known and known[positive].kind is bool:
        return known[positive], True
    meant = SYNONYMS.get(plain.lstrip("-").lower(), "")
    if f"--{meant}" in known:
        hint = f"Did you mean --{meant}? "
    else:
        alone = {flag.word: flag.name for flag in flags if flag.alone}
        hint = f"Give its {alone[plain]} without a flag. " if plain in alone else suggest(word[:LONG], list(known))
    raise ProbeError(f"{word} was given, but {command} has no such flag. {hint}See {command} --help.")


def _truth(flag: Flag, text: str) -> bool:
    if text.lower() not in TRUTHS:
        raise ProbeError(f"{flag.word}={text} was given, but true or false is needed. Write {flag.word} alone.")
    return TRUTHS[text.lower()]


def _check_count(flag: Flag, taken: Sequence[str], again: bool) -> None:
    if not taken:
        raise ProbeError(f"{flag.word} was given without a value, but it needs {_needs(flag)}. Add one after it.")
    if again and not flag.listed:
        raise ProbeError(f"{flag.word} was given twice, but it takes one value. Drop one of them.")


def _without_flag(
    bare: Sequence[tuple[str, str]], command: str, flags: Sequence[Flag], found: Mapping[str, object]
) -> dict[str, list[str]]:
    """Returns the words that stand without a flag, as the values of the positional fields in their order."""
    takers = [flag for flag in flags if flag.alone]
    if not takers and bare:
        raise ProbeError(_stray(*bare[0], command, flags, found))
    if takers and takers[0].listed:
        return {takers[0].name: [token for token, _ in bare]} if bare else {}
    if len(bare) > len(takers):
        taken, dropped = {1: ("one", "other"), 2: ("two", "last")}[len(takers)]
        given = " and ".join(token for token, _ in bare[: len(takers) + 1])
        raise ProbeError(f"{given} were given, but {command} takes {taken}. Drop the {dropped}.")
    return {taker.name: [token] for taker, (token, _) in zip(takers, bare, strict=False)}


def _stray(token: str, before: str, command: str, flags: Sequence[Flag], found: Mapping[str, object]) -> str:
    names = {flag.name for flag in flags}
    lacking = [name for name in ("ckpt", "task") if name in names and name not in found]
    if lacking:
        named = "task" if lacking[0] == "task" or ("task" in lacking and not _like_a_path(token)) else "ckpt"
        return f"{token} was given without a flag, but {command} needs one before it. Did you mean --{named} {token}?"
    if before:
        flag = before.split()[0]
        return f"{token} was given after {before}, but {flag} takes one value. Put the flag of {token} before it."
    return f"{token} was given without a flag, but {command} needs one before it. See {command} --help."


def _like_a_path(token: str) -> bool:
    return "." in token or "/" in token or Path(token).exists()


def _value(flag: Flag, parts: Sequence[str]) -> Any:
    """Returns the texts that were given for a field as its value."""
    if not flag.listed:
        return _typed(flag, parts[0])
    each = [entry for part in parts for entry in entries(part)]
    if not each:
        raise ProbeError(f"{flag.word} was given without a value, but it needs {_needs(flag)}. Add one after it.")
    values = tuple(_typed(flag, entry) for entry in each)
    return ",".join(values) if flag.joined else values


def _typed(flag: Flag, text: str) -> Any:
    given = text if flag.alone else f"{flag.word} {text}"
    if not text.strip():
        called = flag.name if flag.alone else flag.word
        raise ProbeError(f"{called} was given an empty text, but it needs {_needs(flag)}. Write it out.")
    if is_choice(flag):
        words = choices(flag)
        if text in words:
            return text
        hint = suggest(text[:LONG], words) or "Choose one of them."
        raise ProbeError(f"{given} was given, but it can be {', '.join(words[:-1])} or {words[-1]}. {hint}".rstrip())
    if flag.kind not in (int, float):
        return text
    try:
        number = flag.kind(text)
    except ValueError:
        example = f"Write for instance {flag.word} {shown(flag.default)}" if shown(flag.default) else "Correct it"
        raise ProbeError(f"{given} was given, but it needs {_needs(flag)}. {example}.") from None
    if number != number or abs(number) == float("inf"):
        raise ProbeError(f"{given} was given, but it needs a finite number. Correct it.")
    return number


def _needs(flag: Flag) -> str:
    if is_choice(flag):
        return f"one of {', '.join(choices(flag))}"
    return {int: "a whole number", float: "a number"}.get(flag.kind, "one")


def _check_needed(found: Mapping[str, object], command: str, flags: Sequence[Flag]) -> None:
    lacking = [flag for flag in flags if flag.default is MISSING and flag.name not in found]
    if lacking:
        names = " and no ".join(_called(flag) for flag in lacking)
        raise ProbeError(
            f"{command} was given no {names}, but it needs {'them' if len(lacking) > 1 else 'one'}. "
            f"Add {' '.join(usage(flag) for flag in lacking)}, or see {command} --help."
        )


def _called(flag: Flag) -> str:
    return flag.name.removesuffix("s") if flag.alone else flag.word


def unknown_command(given: str, known: Mapping[str, object], other_words: Mapping[str, str]) -> ProbeError:
    """Returns the error that says which commands there are, and which one may be meant.

    Args:
        other_words: what else commands are called elsewhere.
    """
    commands = ", ".join(known)
    if given.startswith("-") or _like_a_path(given):
        return ProbeError(f"{given} was given first, but a command comes first. Begin with one of {commands}.")
    hint = f"Did you mean {other_words[given]}? " if given in other_words else suggest(given[:LONG], list(known))
    return ProbeError(f"No command is called {given!r}. {hint}Commands: {commands}.")
