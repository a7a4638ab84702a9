"""What heads are asked for: the answer y, or a parameter that a prompt's function was drawn with."""

from __future__ import annotations

from jaxtyping import Bool, Float
from torch import Tensor

from probe.errors import ProbeError, suggest
from probe.tasks import Prompts, Task


def counted_of(target: str, prompts: Prompts) -> Bool[Tensor, "batch context"] | None:
    """Returns at which contexts a prompt counts, or None for all: a drawn parameter can be asked for anywhere."""
    return None if target != "y" or bool(prompts.counted.all()) else prompts.counted


def target_of(target: str, prompts: Prompts, task: Task, task_name: str) -> Float[Tensor, "batch context target"]:
    """Returns the values of a named target.

    Raises:
        ProbeError: if the task draws no parameter of this name that a regression can predict.
    """
    if target == "y":
        return task.encoded(prompts)
    # whole numbers and masks name symbols, coordinates or places, which a regression cannot predict
    places = {name: 3 if name in task.by_point else 2 for name in prompts.parameters}
    drawn = {
        name: value
        for name, value in prompts.parameters.items()
        if value.ndim == places[name] and value.is_floating_point()
    }
    if target not in drawn:
        whole = "It holds whole numbers or a mask, which a regression cannot predict. "
        why = whole if target in prompts.parameters else suggest(target, ["y", *drawn])
        raise ProbeError(f"No target of {task_name} is called {target!r}. {why}Targets: {', '.join(['y', *drawn])}.")
    if target in task.by_point:
        return drawn[target][:, list(prompts.contexts)].float()
    return drawn[target][:, None].expand(-1, len(prompts.contexts), -1).float()
