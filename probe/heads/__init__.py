"""Heads: maps from the stream to a target, fitted in one pass over batches that are then forgotten.

A head of one's own is a subclass of `Head`; one that everybody may name is a file here and a line in `HEADS`.
scikit-learn is imported by `probe.heads.estimator` and `probe.heads.logistic` alone.
"""

from collections.abc import Iterable

from probe.errors import ProbeError
from probe.fields import ObjectText
from probe.heads.affine import apply as apply_affine
from probe.heads.affine import fit_affine
from probe.heads.by_name import FittedHeads, load
from probe.heads.fitted import LinearHeads, Origin
from probe.heads.head import Head
from probe.heads.moments import Moments
from probe.heads.path import PrecisionWarning, RidgePath
from probe.heads.ridge import PENALTIES, SelectionErrors, best_penalty, fold_errors, solve_path
from probe.registries import Registry, unknown_name

HEADS: Registry[type[Head]] = Registry(
    "probe.heads",
    {
        "linear": "linear:Linear",
        "normed": "normed:Normed",
        "logistic": "logistic:Logistic",
        "lens": "lens:Lens",
        "calibrated": "calibrated:Calibrated",
        "task_vector": "task_vector:TaskVector",
    },
)
"""Every head by its name on the command line; the first line of its docstring says what it is."""
RESERVED = ("model", "chance")
"""Names that rows of a record bear beside those of heads."""


def make(given: object, protocol: str = "published") -> Head:
    """Returns the head that a name, an object or a class stands for.

    Args:
        given: a name of `HEADS`, a `Head` or a subclass of it, or the text that carries one in a configuration.
        protocol: the published protocol of heads that have one.

    Raises:
        ProbeError: if there is no such head.
    """
    carried = given.given if isinstance(given, ObjectText) else given
    found = carried() if isinstance(carried, type) and issubclass(carried, Head) else carried
    if isinstance(found, Head):
        return found
    if str(found) not in HEADS:
        raise unknown_name("head", str(found), list(HEADS))
    return HEADS[str(found)]().by(protocol)


def make_all(given: Iterable[object], protocol: str = "published") -> list[Head]:
    """Returns the heads that names, objects or classes stand for; a name that is repeated stands for one head.

    Raises:
        ProbeError: if there is no such head, or two share a name in records.
    """
    found: dict[str, Head] = {}
    for one in dict.fromkeys(given):
        head = make(one, protocol)
        if head.name in found or head.name in RESERVED:
            whose = "two heads have" if head.name in found else "no head may have, as rows of a record bear it"
            raise ProbeError(f"The name {head.name} was given, which {whose}. Give the head another name.")
        found[head.name] = head
    return list(found.values())


__all__ = [
    "HEADS",
    "PENALTIES",
    "FittedHeads",
    "Head",
    "LinearHeads",
    "Moments",
    "Origin",
    "PrecisionWarning",
    "RidgePath",
    "SelectionErrors",
    "apply_affine",
    "best_penalty",
    "fit_affine",
    "fold_errors",
    "load",
    "make",
    "make_all",
    "solve_path",
]
