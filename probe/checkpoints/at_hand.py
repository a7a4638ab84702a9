"""Models at hand, given as objects where the command line names files."""

from __future__ import annotations

from torch import nn

from probe.capture import DescribedModel, NativeModel
from probe.checkpoints.store import Checkpoint, from_model
from probe.errors import ProbeError
from probe.models import ResidualModel
from probe.registries import ObjectText

UNKNOWN = 0
"""The number of examples that a bare model was trained with: commands then ask for a context."""


def at_hand(value: object) -> ObjectText:
    """Returns a model that is given as an object, as a checkpoint that bears its name.

    A `Checkpoint` is taken as it is; a `ResidualModel` or a wrapped model becomes one, named by its layout, whose
    training context nobody knows.

    Raises:
        ProbeError: if it is no model, or a module that has to be wrapped first.
    """
    if isinstance(value, Checkpoint):
        return ObjectText(value.name, value)
    stream = NativeModel(value) if isinstance(value, ResidualModel) else value
    if isinstance(stream, DescribedModel):
        found = from_model(stream, stream.description.layout, context=UNKNOWN)
        return ObjectText(found.name, found)
    what = f"A {type(value).__name__}"
    if isinstance(value, nn.Module):
        raise ProbeError(
            f"{what} was given as a model, but where the stream passes in it is not known. Wrap it with "
            "probe.ModuleModel, and probe.from_model gives it a name and a context."
        )
    raise ProbeError(
        f"{what} was given as a checkpoint, but a path, a probe.Checkpoint or a wrapped model is needed. Give one."
    )
