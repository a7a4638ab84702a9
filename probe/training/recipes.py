"""What a preset of `probe train` is made of: what suits an architecture, what suits a task, and what is published.

Nothing here imports torch, so that `probe --help` is instant.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from probe.curriculum import Curriculum
from probe.model_config import Init


@dataclass(frozen=True)
class Recipe:
    """What suits one architecture within a preset."""

    blocks: int
    width: int
    steps: int
    lr: float
    curriculum: bool
    layout: str | None = None
    """Layout text with {n} for the number of repeats, where it departs from the architecture's."""
    norm: Literal["rms", "layer", "none"] | None = None
    """Where it departs from the architecture's."""
    positions: Literal["none", "learned"] | None = None
    """Where they depart from the architecture's."""
    init: Init = "own"
    """First weights of attention, feed-forward blocks and learned positions."""
    slots: int = 0
    """Learned positions, in tokens, at least; the longest prompt needs no fewer."""


@dataclass(frozen=True)
class TaskRecipe:
    """What suits one task within a preset, where it departs from the preset and the architecture's recipe."""

    dim: int | None = None
    context: int | None = None
    steps: int | None = None
    lr: float | None = None
    schedule: Literal["constant", "cosine"] | None = None
    clip: float | None = None
    dims: Curriculum | None = None
    points: Curriculum | None = None
    recipes: dict[str, Recipe] = field(default_factory=dict)
    """By architecture, where they depart from the preset's; in a published preset, all that there are."""
    source: str = ""
    """Where a published recipe stands."""


@dataclass(frozen=True)
class Preset:
    """What `probe train` does where no flag says otherwise."""

    dim: int
    context: int
    batch: int
    schedule: Literal["constant", "cosine"]
    warmup: int
    clip: float
    attention_heads: int
    dims: Curriculum
    points: Curriculum
    recipes: dict[str, Recipe] = field(default_factory=dict)
    """By architecture; one that is not named takes the first."""
    tasks: dict[str, TaskRecipe] = field(default_factory=dict)
    """By task, where it departs from what stands above."""
    published: str = ""
    """Whose recipes these are: then tasks and architectures that are not named have none."""

    def recipes_of(self, task: str) -> dict[str, Recipe]:
        """Returns the recipes on a task, named with or without options, by architecture."""
        return self.task(task).recipes or self.recipes

    def recipe(self, task: str, arch: str) -> Recipe:
        """Returns the recipe of an architecture on a task, or the first for one without its own."""
        found = self.recipes_of(task)
        return found.get(arch, next(iter(found.values())))

    def task(self, name: str) -> TaskRecipe:
        """Returns the settings in which a task, named with or without options, departs from the preset."""
        return self.tasks.get(name.partition(":")[0], TaskRecipe())
