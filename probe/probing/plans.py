"""Whether two sides of a comparison were trained alike: what their plans of training differ in, in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from probe.checkpoints import Checkpoint
from probe.config import ModelConfig
from probe.text import line

Plan = Mapping[str, Any]

RESPECTS: dict[str, Callable[[Plan], str]] = {
    "task": lambda plan: line(plan["task"]),
    "steps": lambda plan: f"{plan['steps']:,}",
    "rate": lambda plan: f"{plan['lr']:g}",
    "schedule": lambda plan: line(plan["schedule"]),
    "steps of warm-up": lambda plan: f"{plan['warmup']:,}",
    "prompts a step": lambda plan: f"{plan['batch']:,}",
    "curriculum": lambda plan: "yes" if plan["curriculum"] else "no",
    "bound of the gradient": lambda plan: f"{plan['clip']:g}",
    "examples": lambda plan: f"{plan['context']}",
    "width": lambda plan: f"{ModelConfig(**plan['model']).width}",
    "dropout": lambda plan: f"{ModelConfig(**plan['model']).dropout:g}",
    "precision": lambda plan: line(plan.get("precision", "float32")),
}
"""What a training has that is no part of an architecture: how a plan's value reads. The seed is none of them."""


@dataclass(frozen=True)
class Trainings:
    """What two trainings differ in.

    Attributes:
        unlike: by the respect, the values of both.
        unknown: the sides of which no plan of `probe train` is recorded.
        tuned: the same of what was chosen for both by one search, and is no difference.
    """

    unlike: Mapping[str, str]
    unknown: tuple[str, ...]
    tuned: Mapping[str, str] = field(default_factory=dict)

    @property
    def alike(self) -> bool:
        """Whether both are known and differ in nothing but the architecture and the seed."""
        return not (self.unlike or self.unknown)

    def sentences(self, sides: str) -> list[str]:
        """Returns what they differ in, and of which of them that is not known.

        Args:
            sides: what the two are called.
        """
        respects, tuned = (_listed(each) for each in (self.unlike, self.tuned))
        found = [f"{sides} differ in training as well: {respects}."] if respects else []
        found += [f"Told to have been chosen for both by the same search: {tuned}."] if tuned else []
        return found + [f"How {line(name)} was trained is not recorded." for name in self.unknown]


def _listed(values: Mapping[str, str]) -> str:
    return ", ".join(f"{name} ({both})" for name, both in values.items())


def trainings(first: Checkpoint, second: Checkpoint, tuned: str = "nothing") -> Trainings:
    """Returns what the trainings of two checkpoints differ in, as far as the plans in their files tell.

    Which rates were tried before a plan was made stands in no file: of a rate the plan alone is compared.

    Args:
        tuned: the respect in which both were chosen by one search, or ``nothing``.
    """
    plans = [_plan(one) for one in (first, second)]
    unknown = tuple(one.name for one, plan in zip((first, second), plans, strict=True) if plan is None)
    a, b = plans
    if a is None or b is None:
        return Trainings({}, unknown)
    values = {name: (said(a), said(b)) for name, said in RESPECTS.items()}
    unlike = {name: f"{one} and {other}" for name, (one, other) in values.items() if one != other}
    chosen = {name: unlike.pop(name) for name in [tuned] if name in unlike}
    return Trainings(unlike, (), chosen)


def _plan(found: Checkpoint) -> Plan | None:
    """Returns the plan of a checkpoint, with the steps that it was trained for; None where it has none."""
    plan = found.description.get("plan")
    return None if plan is None else {**plan, "steps": int(found.description.get("step", plan["steps"]))}
