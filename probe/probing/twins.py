"""Parts of the work on a model side by side, each thread with a twin of the model, so that what one changes none sees.

Interventions hang hooks into a model while it runs; two threads that share it would run each other's. A twin has
modules of its own and the same weights, in the same memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from dataclasses import replace
from queue import SimpleQueue
from typing import TypeVar

from probe.capture import NativeModel
from probe.probing.experiment import Experiment
from probe.processes.side_by_side import side_by_side

Part = TypeVar("Part")
Result = TypeVar("Result")


def each(
    experiment: Experiment,
    parts: Iterable[Part],
    compute: Callable[[Experiment, Part], Result],
    threads: int,
) -> Iterator[tuple[Part, Result]]:
    """Yields every part with what ``compute`` returns of it, in the parts' order.

    Args:
        compute: is given the experiment, with a twin of its model where there are several threads, and a part; what it
            returns depends on these alone.
        threads: how many parts are computed at a time, e.g. `Experiment.at_a_time`; of models that are not of probe's
            own one.
    """
    if threads < 2 or not isinstance(experiment.model, NativeModel):
        for part in parts:
            yield part, compute(experiment, part)
            experiment.told()
        return
    idle: SimpleQueue[Experiment] = SimpleQueue()
    for _ in range(threads):
        idle.put(replace(experiment, model=twin(experiment.model)))

    def by_a_twin(part: Part) -> tuple[Part, Result]:
        mine = idle.get()
        try:
            return part, compute(mine, part)
        finally:
            idle.put(mine)

    for found in side_by_side(by_a_twin, parts, threads):
        yield found
        experiment.told()


def twin(model: NativeModel) -> NativeModel:
    """Returns the same model with modules of its own, on which the same parameters and buffers stand."""
    shared = {id(tensor): tensor for tensor in (*model.model.parameters(), *model.model.buffers())}
    return NativeModel(deepcopy(model.model, shared))
