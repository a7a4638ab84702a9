"""A flag that is on, off, or not given: ``--compile``, ``--compile False``, or nothing."""

from __future__ import annotations

from typing import Annotated

import tyro


def _switched(words: list[str]) -> bool:
    if words not in ([], ["True"], ["False"]):
        raise ValueError(f"{' '.join(words)} was given, but True or False was needed, or nothing, which is True.")
    return words != ["False"]


Switch = Annotated[
    bool | None,
    tyro.constructors.PrimitiveConstructorSpec(
        nargs="*",
        metavar="[True|False]",
        instance_from_str=_switched,
        is_instance=lambda instance: instance is None or isinstance(instance, bool),
        str_from_instance=lambda instance: [] if instance is None else [str(instance)],
    ),
]
"""On, off, or not given: then what was remembered holds."""
