"""Which prompts are drawn: how many heads are fitted and scored on, by which seed, so many at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from probe.data import DataTask
from probe.randomness import Purpose
from probe.tasks import Task

FEWEST_SCORED = 32
"""Prompts that bands need."""


@runtime_checkable
class Sizes(Protocol):
    """Settings that say which prompts are drawn, as those of fit, compare and claim do."""

    @property
    def prompts(self) -> int:
        """Prompts that heads are fitted on."""

    @property
    def score(self) -> int:
        """Prompts that errors are measured on."""

    @property
    def seed(self) -> int:
        """Of every prompt."""

    @property
    def batch(self) -> int:
        """Prompts a forward pass."""


@dataclass(frozen=True)
class Pass:
    """Which prompts are passed through a model: all of them are determined by purpose, number and seed.

    Args:
        prompts: prompts that heads are fitted on; a quarter as many again choose their penalties.
        score: prompts that errors are measured on.
        seed: of every prompt.
        batch: prompts a forward pass; results depend on it by rounding alone.
        select: the most prompts that choose penalties, where there are only so many.
    """

    prompts: int
    score: int
    seed: int = 0
    batch: int = 128
    select: int = 2**40

    @classmethod
    def of(cls, settings: Sizes, task: Task | None = None) -> Pass:
        """Returns the prompts that a command's settings ask for; of data at most as many as there are."""
        if not isinstance(task, DataTask):
            return cls(settings.prompts, settings.score, settings.seed, settings.batch)
        prompts, score = min(settings.prompts, task.available("fit")), min(settings.score, task.available("score"))
        return cls(prompts, score, settings.seed, settings.batch, task.available("select"))

    def count(self, purpose: Purpose) -> int:
        """Returns how many prompts are drawn for a purpose."""
        return {"fit": self.prompts, "select": min(-(-self.prompts // 4), self.select), "score": self.score}[purpose]

    def batches(self, purpose: Purpose, most: int | None = None) -> list[range]:
        """Returns the prompts' numbers, a batch at a time.

        Args:
            most: of all prompts; as many as there are unless given.
        """
        count = self.count(purpose) if most is None else min(most, self.count(purpose))
        return [range(first, min(first + self.batch, count)) for first in range(0, count, self.batch)]
