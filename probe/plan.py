"""Every setting of a training, decided from the flags, the preset and the architecture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, TypeVar

import torch

from probe.config import Kernel, ModelConfig, TrainConfig
from probe.errors import ProbeError, suggest
from probe.models.layout import parse_layout
from probe.presets import ARCHITECTURES, PRESETS, Preset, architecture
from probe.tasks import TASKS, Shape, make

# what may change between a run and its continuation without changing what is trained
FREE_ON_RESUME = (
    "out", "device", "kernel", "precision", "compile", "threads", "save_seconds", "keep", "json", "resume", "overwrite"
)  # fmt: skip
DIGITS = 12  # of a step's number

Precision = Literal["float32", "bfloat16"]
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
    precision: Precision = "float32"

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
    preset_name = _given(config.preset, "laptop")
    preset = PRESETS[preset_name]
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
        preset=preset_name,
        seed=_given(config.seed, 0),
        dim=dim,
        precision=_given(config.precision, "float32"),
    )
    check_plan(plan)
    return plan


def check_plan(plan: TrainPlan) -> None:
    """Raises `ProbeError` where a number of a plan is out of range."""
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


@dataclass(frozen=True)
class RunSettings:
    """How a training is run: what may change where it goes on, and moves the last bits of its weights at most.

    Attributes:
        device: as torch names it.
        kernel: backend of the models' kernels.
        precision: of the matrix products while training.
        compile: whether the model is compiled.
        threads: CPU threads.
        processes: how many run it together.
        save_seconds: between two saves.
        keep: steps whose weights are kept, rising.
    """

    device: str = "auto"
    kernel: Kernel = "auto"
    precision: Precision = "float32"
    compile: bool = False
    threads: int = 1
    processes: int = 1
    save_seconds: float = 60.0
    keep: tuple[int, ...] = ()

    def changed(self, before: RunSettings) -> dict[str, Any]:
        """Returns what moves the bits of the weights and is no longer as it was."""
        moving = ("device", "kernel", "precision", "compile", "threads", "processes")
        return {name: getattr(self, name) for name in moving if getattr(self, name) != getattr(before, name)}


def choose_settings(config: TrainConfig, plan: TrainPlan, processes: int, before: RunSettings | None) -> RunSettings:
    """Decides how a training is run: as the flags say, else as it was run before.

    Args:
        before: of the run that is resumed.

    Raises:
        ProbeError: if a number is out of range, or a step to keep is past.
    """
    usual = before or RunSettings(precision=plan.precision, threads=torch.get_num_threads())
    settings = RunSettings(
        device=_given(config.device, usual.device),
        kernel=_given(config.kernel, usual.kernel),
        precision=_given(config.precision, usual.precision),
        compile=_given(config.compile, usual.compile),
        threads=_given(config.threads, usual.threads),
        processes=processes,
        save_seconds=_given(config.save_seconds, usual.save_seconds),
        keep=kept_steps(config.keep, plan.steps) or usual.keep,
    )
    if settings.threads < 1:
        raise ProbeError(f"--threads {settings.threads} was given, but at least 1 is needed. Give a larger number.")
    if not (math.isfinite(settings.save_seconds) and settings.save_seconds >= 0):
        raise ProbeError(
            f"--save-seconds {settings.save_seconds} was given, but a number from 0 on is needed. Give one."
        )
    return settings


def kept_steps(asked: Sequence[int | str] | int | str, steps: int) -> tuple[int, ...]:
    """Returns the steps that are kept, rising: those named, or with ``geometric`` 0, 1, 2, 4, ... and the last.

    Raises:
        ProbeError: if one is no step of the training.
    """
    words = [asked] if isinstance(asked, int | str) else asked
    named = [part for word in words for part in str(word).replace(",", " ").split()]
    if named == ["geometric"]:
        return (0, *(2**power for power in range(steps.bit_length()) if 2**power < steps), steps)
    for name in named:
        if not name.isdecimal() or len(name) > DIGITS or int(name) > steps:
            raise ProbeError(
                f"--keep {name} was given, but steps from 0 to {steps}, the last of this training, are needed, or "
                "geometric. Write them like 100,200,400."
            )
    return tuple(sorted({int(name) for name in named}))


def resumed_plan(config: TrainConfig, plan: TrainPlan) -> TrainPlan:
    """Returns the plan of a training that goes on.

    Args:
        plan: what stands in its state.

    Raises:
        ProbeError: if a flag contradicts it.
    """
    known = {**asdict(plan.model), **asdict(plan), "layout": plan.model.layout}
    for field in fields(TrainConfig):
        name, given = field.name, getattr(config, field.name)
        if name in FREE_ON_RESUME or given == field.default or name not in known:
            continue
        if name == "arch" and architecture(str(given)) == plan.arch:
            continue
        if given != known[name]:
            raise ProbeError(
                f"--{name.replace('_', '-')} {given} was given, but the state beside {config.out} was trained with "
                f"{known[name]}. Drop the flag to continue, or train to another file."
            )
    return replace(plan, precision=_given(config.precision, plan.precision))


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
