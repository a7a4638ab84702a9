"""Every setting of a training, decided from the flags, the preset and the architecture."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeVar

from probe.config import ModelConfig, TrainConfig
from probe.errors import ProbeError, suggest
from probe.models.layout import parse_layout
from probe.presets import ARCHITECTURES, PRESETS, Preset, architecture
from probe.tasks import TASKS, Shape, make

T = TypeVar("T")


@dataclass(frozen=True)
class TrainPlan:
    """A training with every setting decided."""

    model: ModelConfig
    task: str
    arch: str
    context: int
    steps: int
    batch: int
    lr: float
    schedule: str
    warmup: int
    clip: float
    curriculum: bool
    preset: str
    seed: int
    dim: int
    precision: str = "float32"

    def rate(self, step: int) -> float:
        """Returns the learning rate of a step, counted from 0."""
        if step < self.warmup:
            return self.lr * (step + 1) / self.warmup
        if self.schedule == "constant":
            return self.lr
        done = (step - self.warmup) / max(1, self.steps - self.warmup)
        return self.lr * 0.5 * (1 + math.cos(math.pi * done))

    def stage(self, step: int) -> tuple[int, int]:
        """Returns a step's active dimensions and examples before the last query."""
        if not self.curriculum:
            return self.dim, self.context
        preset, grows = PRESETS[self.preset], TASKS[self.task.partition(":")[0]].grows
        dims, points = preset.task(self.task).dims or preset.dims, preset.task(self.task).points or preset.points
        active = dims.at(step, self.dim) if "dims" in grows else self.dim
        return active, points.at(step, self.context + 1) - 1 if "points" in grows else self.context


def make_plan(config: TrainConfig) -> TrainPlan:
    """Decides every setting from the flags, the preset and the architecture.

    Raises:
        ProbeError: if a setting is missing, unknown or out of range.
    """
    if config.task is None:
        raise ProbeError("No task was given, but a training needs one. Add --task linear, for example.")
    preset = PRESETS[config.preset]
    special = preset.task(config.task)
    dim = _given(config.dim, _given(special.dim, preset.dim))
    context = _given(config.context, _given(special.context, preset.context))
    task = make(config.task, dim)
    if context < 1:
        raise ProbeError(f"--context {context} was given, but at least 1 is needed. Give a larger number.")
    model, arch = _model_config(config, preset, task.shape, task.length(context))
    recipe = preset.recipe(arch)
    plan = TrainPlan(
        model=model,
        task=config.task,
        arch=arch,
        context=context,
        steps=_given(config.steps, _given(special.steps, recipe.steps)),
        batch=_given(config.batch, preset.batch),
        lr=_given(config.lr, _given(special.lr, recipe.lr)),
        schedule=_given(config.schedule, preset.schedule),
        warmup=_given(config.warmup, preset.warmup),
        clip=_given(config.clip, preset.clip),
        curriculum=_given(config.curriculum, recipe.curriculum),
        preset=config.preset,
        seed=config.seed,
        dim=dim,
        precision=config.precision,
    )
    for name, lowest in (("steps", 1), ("batch", 1), ("warmup", 0)):
        if getattr(plan, name) < lowest:
            raise ProbeError(
                f"--{name} {getattr(plan, name)} was given, but at least {lowest} is needed. Give a larger number."
            )
    if not (math.isfinite(plan.lr) and plan.lr > 0 and plan.clip >= 0):
        raise ProbeError(
            f"--lr {plan.lr} and --clip {plan.clip} were given, but the rate must be positive and the clip at least 0. "
            "Correct them."
        )
    return plan


def _given(flag: T | None, default: T) -> T:
    return default if flag is None else flag


def _model_config(config: TrainConfig, preset: Preset, shape: Shape, length: int) -> tuple[ModelConfig, str]:
    if (config.arch is None) == (config.layout is None):
        raise ProbeError(
            "A training needs either --arch or --layout. "
            f"Give one of them: --arch {' or '.join(ARCHITECTURES)}, or --layout M12."
        )
    recipe = preset.recipe(config.arch and architecture(config.arch))
    width = _given(config.width, recipe.width)
    if width < 1:
        raise ProbeError(f"--width {width} was given, but it must be positive. Give a larger number.")
    if config.layout is not None:
        letters = "".join(letter.letter for letter in parse_layout(config.layout))
        layout, arch = config.layout, config.layout
        # as the named architectures of the same blocks have it: attention alone cannot tell places apart
        norm = "rms" if set("MDLEG") & set(letters) else "layer"
        positions = "learned" if set(letters) <= set("AF") else "none"
    else:
        found = architecture(str(config.arch))
        if found is None:
            raise ProbeError(
                f"No architecture is called {config.arch!r}. {suggest(str(config.arch), list(ARCHITECTURES))}"
                f"Architectures: {', '.join(ARCHITECTURES)}."
            )
        arch = found
        layout, norm, positions = _named_layout(arch, config, preset)
    chosen = _given(config.positions, positions)
    model = ModelConfig(
        layout=layout,
        dim=shape.inputs,
        width=width,
        outputs=shape.outputs,
        norm=_given(config.norm, norm),  # type: ignore[arg-type]
        positions=chosen,  # type: ignore[arg-type]
        slots=length if chosen == "learned" else 0,
        attention_heads=_given(config.attention_heads, preset.attention_heads),
        symbols=shape.symbols,
        dropout=_given(config.dropout, 0.0),
        init=_given(config.init, "own"),
    )
    return model, arch


def _named_layout(arch: str, config: TrainConfig, preset: Preset) -> tuple[str, str, str]:
    family = ARCHITECTURES[arch]
    blocks = _given(config.blocks, preset.recipe(arch).blocks)
    layout = family.named(blocks)
    if layout is None:
        before = f"{family.blocks_before} and " if family.blocks_before else ""
        raise ProbeError(
            f"--blocks {blocks} was given, but {arch} needs {before}a positive multiple of "
            f"{family.blocks_per_repeat}. Give such a number."
        )
    return layout, family.norm, family.positions
