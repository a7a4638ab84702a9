"""Where everything that settings may name is registered, how a name is looked up, and objects in place of names.

A registry is a literal dictionary in the room that owns the names: what is added there, a line in the file or an entry
at run time, is offered everywhere. Rooms are imported when a name is looked up, since most of them import torch.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, MutableMapping, Sequence
from dataclasses import fields, is_dataclass
from importlib import import_module
from typing import Any, Generic, TypeVar, cast

from probe.errors import ProbeError, suggest

Kind = TypeVar("Kind")


class Registry(MutableMapping[str, Kind], Generic[Kind]):
    """What the names of a room stand for; the file of an entry is imported when the entry is first asked for.

    Args:
        room: the package that holds the files.
        places: MODULE:ATTRIBUTE by name, the module within the room.
    """

    def __init__(self, room: str, places: dict[str, str]) -> None:
        self._room = room
        self._entries: dict[str, str | Kind] = dict(places)

    def __getitem__(self, name: str) -> Kind:
        entry = self._entries[name]
        if isinstance(entry, str):
            module, _, attribute = entry.partition(":")
            entry = cast("Kind", getattr(import_module(f"{self._room}.{module}"), attribute))
            self._entries[name] = entry
        return entry

    def __setitem__(self, name: str, entry: Kind) -> None:
        self._entries[name] = entry

    def __delitem__(self, name: str) -> None:
        del self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def named(self, attribute: str) -> Kind:
        """Returns the entry whose class or function has a name, so that a room offers it as its own.

        Raises:
            AttributeError: if no entry has.
        """
        for name, entry in self._entries.items():
            own = entry.partition(":")[2] if isinstance(entry, str) else getattr(entry, "__name__", "")
            if own == attribute:
                return self[name]
        raise AttributeError(f"{self._room} has no {attribute!r}")


REGISTRIES: dict[str, tuple[str, ...]] = {
    "architecture": ("probe.training.presets:ARCHITECTURES",),
    "preset": ("probe.training.presets:PRESETS",),
    "task": ("probe.tasks:TASKS", "probe.language:LANGUAGE_TASKS", "language"),
    "head": ("probe.heads:HEADS",),
    "learner": ("probe.learners:LEARNERS", "usual", "none"),
    "prompting": ("probe.tasks.prompting:PROMPTINGS", "standard", "recursive"),
    "picture": ("probe.plots:KINDS", "auto"),
    "site": ("probe.capture.sites.listing:SITES",),
    "evidence": ("probe.commands.claim:STAGES",),
}
"""By what is named: dictionaries as MODULE:NAME, and further words that are accepted in their place."""
BASES: dict[str, str] = {"task": "probe.tasks:Task", "learner": "probe.learners:Learner", "head": "probe.heads:Head"}
"""By what is named: the class as MODULE:NAME whose objects may be given in place of a name."""
IN_A_FILE = re.compile(r".+\.py:[A-Za-z_]\w*")
"""A task that is a function in a file, FILE.py:NAME."""
FEW = 20
"""So many names are listed in a message; of more, the list is named instead."""


class ObjectText(str):
    """The text of something that was given as an object, which it carries: it is shown, compared and saved as text.

    Attributes:
        given: the object.
    """

    given: object

    def __new__(cls, text: str, given: object = None) -> ObjectText:
        """Returns the text that carries an object."""
        made = super().__new__(cls, text)
        made.given = given
        return made

    def __deepcopy__(self, memo: object) -> str:
        """Returns the text alone: `dataclasses.asdict` makes of a configuration what a record keeps."""
        return str(self)


def imported(place: str) -> Any:
    """Returns the object at MODULE:NAME, or None where the module has no such name."""
    module, _, attribute = place.partition(":")
    return getattr(import_module(module), attribute, None)


def is_object_for(registry: str, value: object) -> bool:
    """Returns whether a value can stand for a name: an object of the registry's class, a class or a function."""
    if is_dataclass(value) or callable(value):
        return True
    base = imported(BASES[registry]) if registry in BASES else None
    return isinstance(base, type) and isinstance(value, base)


def object_text(value: object, registry: str) -> ObjectText:
    """Returns the text that names an object with options, or a class or function of such, and carries it.

    The dimension is left out: it is a setting of its own.
    """
    kind = value if isinstance(value, type) or not is_dataclass(value) else type(value)
    own = getattr(kind, "__name__", type(value).__name__)
    if not isinstance(value, type) and isinstance(getattr(value, "name", None), str):
        own = value.name  # type: ignore[attr-defined]  # heads say their own name
    known = entries_of(registry).items()
    name = next((name for name, entry in known if entry is kind or entry is value), str(own))
    options = []
    if is_dataclass(value) and not isinstance(value, type):
        told = [(one, getattr(value, one.name)) for one in fields(value) if one.repr and one.name != "dim"]
        options = [f"{one.name}={_word(found)}" for one, found in told if found != one.default]
    return ObjectText(f"{name}:{','.join(options)}" if options else name, value)


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) or value is None else str(value)


def entries_of(registry: str) -> dict[str, Any]:
    """Returns the entries of a registry by name; None for a name that is a word of the settings alone."""
    found: dict[str, Any] = {}
    for place in REGISTRIES[registry]:
        module, _, attribute = place.partition(":")
        found.update(getattr(import_module(module), attribute) if attribute else {place: None})
    return found


def registered(registry: str, text: str) -> str:
    """Returns a text, ``NAME`` or ``NAME:options``, with its name as it is registered.

    Capitals count as small letters, and hyphens and underscores may be exchanged or left out.

    Raises:
        ProbeError: if the registry has no such name.
    """
    if registry == "task" and IN_A_FILE.fullmatch(text):
        return text
    name, separator, options = text.partition(":")
    known = list(entries_of(registry))
    found = name if name in known else {_folded(each): each for each in known}.get(_folded(name))
    if found is None:
        raise unknown_name(registry, name, known)
    return f"{found}{separator}{options}"


def unknown_name(registry: str, name: str, known: Sequence[str]) -> ProbeError:
    """Returns the error that says what could have been named."""
    if registry == "task" and ".py" in name:
        return ProbeError(
            f"The task {name[:200]!r} was given, but a task in a file is named FILE.py:NAME, and takes no options. Add "
            "the name of its function or class, and nothing behind it."
        )
    listed = f"{registry.capitalize()}s: {', '.join(known)}." if len(known) <= FEW else f"See probe list {registry}s."
    return ProbeError(f"No {registry} is called {name[:60]!r}. {suggest(name[:60], list(known))}{listed}")


def _folded(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "").strip()
