"""Writes what the stub of the package says of every command: its keywords are the fields of its configuration.

python tests/stub.py    rewrites probe/__init__.pyi from the line "# commands" on
"""

from __future__ import annotations

import inspect
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from probe.arguments import flags_of
from probe.arguments.explained import METAVARS
from probe.cli import COMMANDS
from probe.commands.keywords import without_keyword
from probe.fields import NameOf, Numbers, OrObject, hints_of

STUB = Path(__file__).parent.parent / "probe" / "__init__.pyi"
MARK = "# commands: written by tests/stub.py\n"
OBJECTS = {
    "probe.checkpoints:at_hand": "_Model",
    "probe.language:tokenizer_at_hand": "_Tokenizer",
    "probe.records:at_hand": "_Record",
    "probe.data:at_hand": "_Data",
    "probe.data:streams_at_hand": "_Streams",
    "probe.probing.asked:at_hand": "_Target",
}
"""What may be given as an object, by the function that reads it."""
UNLISTED = ("list", "capture")
"""Commands of the shell alone, or of another name in Python."""
GIVEN = {"task": "_Task", "learner": "_Learner", "head": "_Head"}
"""What may be given by name or as an object, by registry."""
SHOWN = (str, int, float, bool, tuple, NoneType)
"""Defaults that a stub can show."""
BESIDE = {
    "command": "str",
    "report": "Report",
    "decided": "Callable[[str, Criterion], None]",
    "tell": "Callable[[str], None]",
    "processes": "Processes",
    "ax": "Axes | Figure | SubFigure | None",
}


def text() -> str:
    """Returns all that the stub says of commands."""
    return "\n".join(of_command(name, kind) for name, kind in COMMANDS.items() if name not in UNLISTED)


def of_command(name: str, kind: Any) -> str:
    """Returns a command's function: its keywords, what else Python gives it, and the first line of its docstring."""
    from importlib import import_module

    run = getattr(import_module(f"probe.commands.{name}"), name)
    found = inspect.signature(run).parameters
    hints = hints_of(kind)
    fields = {flag.name for flag in flags_of(kind) if not flag.delivery}
    alone = without_keyword(kind)
    models = f"{typed(hints[alone]).replace('str', 'str | Path')} | " if alone else ""
    first = f"{kind.__name__} | {models.removesuffix('None | ')}None"
    lines = [f"def {name}(", f"    config: {first} = None,", "    /,", "    *,"]
    for parameter in list(found.values())[1:]:
        own = typed(hints[parameter.name]) if parameter.name in fields else BESIDE[parameter.name]
        own = own.replace("str", "str | Path") if parameter.name in METAVARS else own
        default = repr(parameter.default) if isinstance(parameter.default, SHOWN) else "..."
        lines.append(f"    {parameter.name}: {own} = {default},")
    returned = inspect.signature(inspect.unwrap(run)).return_annotation
    summary = (run.__doc__ or "").split("\n")[0]
    return "\n".join([*lines, f") -> {returned}:", f'    """{summary}"""', ""]).replace("'", '"')


def typed(hint: Any) -> str:
    """Returns the type of what may be given for a field."""
    if get_origin(hint) is Annotated:
        inner, *marks = get_args(hint)
        for mark in marks:
            if isinstance(mark, NameOf) and mark.registry in GIVEN:
                return _listed(GIVEN[mark.registry]) if get_origin(inner) is tuple else GIVEN[mark.registry]
            if isinstance(mark, OrObject):
                return OBJECTS[mark.reader]
            if isinstance(mark, Numbers):
                return "str | int | Sequence[int]"
        return typed(inner)
    if get_origin(hint) in (Union, UnionType):
        return " | ".join(typed(one) for one in get_args(hint))
    if get_origin(hint) is Literal:
        return f"Literal[{', '.join(map(repr, get_args(hint)))}]"
    if get_origin(hint) is tuple:
        return _listed(typed(get_args(hint)[0]))
    return "None" if hint is NoneType else hint.__name__


def _listed(one: str) -> str:
    return f"{one} | Sequence[{one}]"


if __name__ == "__main__":
    head, _, _ = STUB.read_text().partition(MARK)
    STUB.write_text(f"{head}{MARK}\n{text()}")
