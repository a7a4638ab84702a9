"""The help of a command: what it does, how it is called, and every flag in words."""

from __future__ import annotations

import ast
import inspect
import shutil
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING

from probe.arguments.flags import Flag, choices, flags_of, is_choice

METAVARS = {
    "ckpt": "FILE",
    "control": "FILE",
    "data": "FILE",
    "records": "RECORD.csv",
    "table": "TABLE.csv",
    "out": "PATH",
}


def _metavar(flag: Flag) -> str:
    if is_choice(flag):
        words = "|".join(choices(flag))
        return words if len(words) <= 40 else flag.name.upper()
    return METAVARS.get(flag.name) or {int: "N", float: "X"}.get(flag.kind, flag.name.upper())


def usage(flag: Flag) -> str:
    """Returns a flag as it is written, with what it takes."""
    if flag.kind is bool:
        return flag.word if flag.default is False else f"{flag.word}, --no{flag.word[1:]}"
    value = "N[,N...]" if flag.joined else _metavar(flag)
    value = f"{value} [{value} ...]" if flag.several else value
    return value if flag.alone else f"{flag.word} {value}"


def shown(default: object) -> str:
    """Returns a default as it would be written, or nothing where the flag's text says what happens."""
    if default is MISSING or default is None or default is False or default in ("", ()):
        return ""
    return " ".join(map(str, default)) if isinstance(default, tuple) else str(default)


LISTS = """Lists are given by spaces or commas: 5 15 or 5,15. A comma before option=value goes on with the options of
the entry before it: gd:steps=3,ridge:penalty=1,lasso is three learners, noisy_linear:noise=1,target=clean one task."""


def explained(kind: type, command: str, *beside: type) -> str:
    """Returns the help of a command: what it does, how it is called, and every flag."""
    flags = [flag for flag in flags_of(kind) if flag.default is MISSING or flag.alone]
    called = " ".join(usage(flag) for flag in flags)
    parts = [f"usage: {command} {called} [flags]".replace("  ", " "), wrapped(kind.__doc__ or "", "")]
    own = [flag for flag in flags_of(kind) if flag not in flags]
    groups: list[tuple[str, type, list[Flag]]] = [
        ("needed", kind, flags),
        *(
            (title or "flags", kind, [flag for flag in own if flag.group == title])
            for title in dict.fromkeys(["", *(flag.group for flag in own)])
        ),
        *(("everywhere", other, flags_of(other)) for other in beside),
    ]
    for title, of, members in groups:
        lines = list(_lines(of, members))
        parts += ["\n".join([f"{title}:", *lines])] if lines else []
    if any(flag.listed for flag in flags_of(kind)):
        parts.append(wrapped(LISTS, ""))
    return "\n\n".join(parts)


def overview(program: str, does: str, commands: Mapping[str, type]) -> str:
    """Returns the help of a program: its commands, each in a line."""
    width = max(map(len, commands))
    told = [wrapped((kind.__doc__ or "").split("\n")[0], " " * (width + 4)) for kind in commands.values()]
    lines = [f"  {name:<{width}}  {words.lstrip()}" for name, words in zip(commands, told, strict=True)]
    last = f"{program} COMMAND --help explains its flags, {program} --version says which it is."
    return "\n".join(
        [f"usage: {program} COMMAND [flags]", "", wrapped(does), "", "commands:", *lines, "", wrapped(last)]
    )


def _lines(kind: type, flags: Sequence[Flag]) -> Iterator[str]:
    told = described(kind)
    for flag in flags:
        default = f" Default: {shown(flag.default)}." if shown(flag.default) else ""
        yield f"  {usage(flag)}"
        yield wrapped(f"{told.get(flag.name, '')}{default}", "      ")


def described(kind: type) -> dict[str, str]:
    """Returns the docstrings that stand below the fields of a dataclass."""
    found: dict[str, str] = {}
    [body] = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(body, ast.ClassDef)
    for before, after in zip(body.body, body.body[1:], strict=False):
        if isinstance(before, ast.AnnAssign) and isinstance(before.target, ast.Name) and isinstance(after, ast.Expr):
            text = ast.literal_eval(after.value) if isinstance(after.value, ast.Constant) else ""
            found[before.target.id] = " ".join(str(text).split())
    return found


def wrapped(text: str, indent: str = "") -> str:
    """Returns a text in lines as wide as the terminal, within reason."""
    width = max(40, min(shutil.get_terminal_size().columns, 110))
    return textwrap.fill(" ".join(text.split()), width, initial_indent=indent, subsequent_indent=indent)
