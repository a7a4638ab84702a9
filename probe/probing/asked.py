"""How targets are asked for: by name, several joined by a plus, or in Python as functions of prompts.

``w`` is what the task drew, ``gd:steps=4`` the prediction of a learner, ``gd.w:steps=4`` the weights behind it; an
iterate is the learner with so many steps. A plus joins names, as in ``w+gd:steps=4`` and between language tasks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from probe.errors import ProbeError
from probe.fields import UnfitError
from probe.registries import ObjectText

JOINED = re.compile(r"\+(?=[A-Za-z_])")
"""A plus before a name, which one within a number such as 1e+3 is not."""
ALONGSIDE = ", as probe list targets TASK shows"


def at_hand(value: object) -> ObjectText:
    """Returns targets that are given as objects: a function of prompts, or a dictionary of functions and names.

    Raises:
        UnfitError: if it is neither.
    """
    if callable(value):
        own = getattr(value, "__name__", "")
        return ObjectText(own if own.isidentifier() else "function", value)
    if (
        isinstance(value, Mapping)
        and value
        and all(isinstance(name, str) and (callable(one) or isinstance(one, str)) for name, one in value.items())
    ):
        return ObjectText("+".join(value), dict(value))
    if isinstance(value, list | tuple) and value and all(isinstance(one, str) for one in value):
        return ObjectText("+".join(value), {one: one for one in value})
    raise UnfitError("a name, a function of prompts, or a dictionary of such")


def named_targets(text: str) -> dict[str, object]:
    """Returns by its name what each target is: a function, or the text that names it.

    Raises:
        ProbeError: if a function is called y.
    """
    given = text.given if isinstance(text, ObjectText) else None
    if callable(given):
        given = {str(text): given}
    if not isinstance(given, dict):
        return {name: name for name in JOINED.split(text)}
    if given.get("y", "y") != "y":
        raise ProbeError("A target was given the name y, but y is the answer. Call it otherwise.")
    return given
