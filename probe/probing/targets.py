"""What heads are asked for: the answer y, or a parameter that a prompt's function was drawn with."""

from __future__ import annotations

from torch import Tensor

from probe.config import FitConfig
from probe.errors import ProbeError, suggest
from probe.tasks import Prompts, Task


def counted_of(config: FitConfig, prompts: Prompts) -> Tensor | None:
    """Returns at which contexts a prompt counts, or None for all: a drawn parameter can be asked for anywhere."""
    return None if config.target != "y" or bool(prompts.counted.all()) else prompts.counted


def target_of(config: FitConfig, prompts: Prompts, task: Task) -> Tensor:
    """Returns what the head is asked for, [batch, context, target]."""
    if config.target == "y":
        return task.encoded(prompts)
    # whole numbers and masks name symbols, coordinates or places, which a regression cannot predict
    drawn = {name: value for name, value in prompts.parameters.items() if value.ndim == 2 and value.is_floating_point()}
    if config.target not in drawn:
        whole = "It holds whole numbers or a mask, which a regression cannot predict. "
        why = whole if config.target in prompts.parameters else suggest(config.target, ["y", *drawn])
        raise ProbeError(
            f"No target of {config.task} is called {config.target!r}. {why}Targets: {', '.join(['y', *drawn])}."
        )
    return drawn[config.target][:, None].expand(-1, len(prompts.contexts), -1).float()
