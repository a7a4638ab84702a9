"""Where everything that settings may name is registered, and how a name is looked up.

A registry is a literal dictionary of the room that owns the names; what is added there is offered everywhere. Rooms are
imported when a name is looked up, since most of them import torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from probe.errors import ProbeError, suggest

REGISTRIES: dict[str, tuple[str, ...]] = {
    "architecture": ("probe.training.presets:ARCHITECTURES",),
    "preset": ("probe.training.presets:PRESETS",),
    "task": ("probe.tasks:TASKS", "probe.language:LANGUAGE_TASKS", "language"),
    "head": ("probe.heads:HEADS",),
    "learner": ("probe.learners:LEARNERS", "usual", "none"),
    "prompting": ("probe.tasks.prompting:PROMPTINGS", "standard", "recursive"),
    "picture": ("probe.plots:KINDS", "auto"),
    "evidence": ("probe.commands.claim:STAGES",),
}
"""By what is named: dictionaries as MODULE:NAME, and names that stand for no entry of them."""
FEW = 20
"""So many names are listed in a message; of more, the list is named instead."""


def entries_of(registry: str) -> dict[str, Any]:
    """Returns what a registry offers by name; None for a name that is a word of the settings alone."""
    found: dict[str, Any] = {}
    for place in REGISTRIES[registry]:
        module, _, attribute = place.partition(":")
        found |= getattr(import_module(module), attribute) if attribute else {place: None}
    return found


def registered(registry: str, text: str) -> str:
    """Returns a text, ``NAME`` or ``NAME:options``, with its name as it is registered.

    Capitals count as small letters, and hyphens and underscores may be exchanged or left out.

    Raises:
        ProbeError: if the registry has no such name.
    """
    name, separator, options = text.partition(":")
    known = list(entries_of(registry))
    found = name if name in known else {_folded(each): each for each in known}.get(_folded(name))
    if found is None:
        raise unknown_name(registry, name, known)
    return f"{found}{separator}{options}"


def unknown_name(registry: str, name: str, known: Sequence[str]) -> ProbeError:
    """Returns the error that says what could have been named."""
    listed = f"{registry.capitalize()}s: {', '.join(known)}." if len(known) <= FEW else f"See probe list {registry}s."
    return ProbeError(f"No {registry} is called {name[:60]!r}. {suggest(name[:60], list(known))}{listed}")


def _folded(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "").strip()
