"""Every setting of a training, decided from the flags, the preset and the architecture."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Annotated, Any, TypeVar

import torch

from probe.config import BatchKey, Kernel, ModelConfig, Precision, Schedule, TrainConfig, TrainingLog
from probe.errors import ProbeError
from probe.fields import Count, Dimension, NameOf, NotNegative, Positive, Range, Size, check
from probe.models.layout import parse_layout
from probe.models.mixers import norm_of, positions_of, recipe_of
from probe.tasks import Shape, make
from probe.training.presets import ARCHITECTURES, OLD, PRESETS, Architecture
from probe.training.recipes import Preset

# what may change between a run and its continuation without changing what is trained
FREE_ON_RESUME = (
    "out", "device", "kernel", "precision", "compile", "threads", "save_seconds", "keep", "probe_every", "log", "json",
    "resume", "overwrite",
)  # fmt: skip
DIGITS = 12  # of a step's number

T = TypeVar("T")


SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda done: 1.0,
    "cosine": lambda done: 0.5 * (1 + math.cos(math.pi * done)),
}
"""The share of the peak rate, by the share of the steps after the warm-up that are done."""


@dataclass(frozen=True)
class Family:
    """A model's blocks, with the norm, positions and recipe that belong to them.

    Args:
        arch: the architecture's name, or the layout text of one that has none.
        recipe: the architecture whose sizes, steps and rate are taken where no flag says otherwise.
    """

    arch: str
    layout: str
    norm: str
    positions: str
    recipe: str


@dataclass(frozen=True)
class TrainPlan:
    """A training with every setting decided."""

    model: ModelConfig
    task: Annotated[str, NameOf("task")]
    arch: str
    context: Size
    steps: Count
    batch: Size
    lr: Positive
    schedule: Schedule
    warmup: Annotated[int, Range(0, 2**40)]
    clip: NotNegative
    curriculum: bool
    preset: Annotated[str, NameOf("preset")]
    seed: int
    dim: Dimension
    precision: Precision = "float32"
    batch_key: BatchKey = "32bit"
    """How much of a batch's key its draws depend on; a plan of before there was a choice names none, and goes on so."""

    def __post_init__(self) -> None:
        check(self, lambda name: f"The training's {name}")

    def rate(self, step: int) -> float:
        """Returns the learning rate of a step, counted from 0."""
        if step < self.warmup:
            return self.lr * (step + 1) / self.warmup
        return self.lr * SCHEDULES[self.schedule]((step - self.warmup) / max(1, self.steps - self.warmup))

    def stage(self, step: int) -> tuple[int, int]:
        """Returns a step's active dimensions and examples before the last query."""
        if not self.curriculum:
            return self.dim, self.context
        preset, grows = PRESETS[self.preset], make(self.task, self.dim).grows
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
    if preset_name in OLD:
        warnings.warn(
            f"The preset {preset_name} is {OLD[preset_name]} now, and goes with the next version.",
            DeprecationWarning,
            stacklevel=2,
        )
    preset = PRESETS[preset_name]
    special = preset.task(config.task)
    dim = _given(config.dim, _given(special.dim, preset.dim))
    context = _given(config.context, _given(special.context, preset.context))
    task = make(config.task, dim)
    family = _family(config, preset)
    recipe = preset.recipe(config.task, family.recipe)
    model = _model_config(config, preset, family, task.shape, task.length(context))
    return TrainPlan(
        model=model,
        task=config.task,
        arch=family.arch,
        context=context,
        steps=_given(config.steps, _given(special.steps, recipe.steps)),
        batch=_given(config.batch, preset.batch),
        lr=_given(config.lr, _given(special.lr, recipe.lr)),
        schedule=_given(config.schedule, _given(special.schedule, preset.schedule)),
        warmup=_given(config.warmup, preset.warmup),
        clip=_given(config.clip, _given(special.clip, preset.clip)),
        curriculum=_given(config.curriculum, recipe.curriculum),
        preset=preset_name,
        seed=_given(config.seed, 0),
        dim=dim,
        precision=_given(config.precision, "float32"),
        batch_key=_given(config.batch_key, "whole"),
    )


@dataclass(frozen=True)
class RunSettings:
    """How a training is run: settings that may change when it is resumed, and that change rounding at most.

    Attributes:
        device: as torch names it.
        kernel: backend of the models' kernels.
        precision: of the matrix products while training.
        compile: whether the model is compiled.
        threads: CPU threads.
        processes: how many run it together.
        save_seconds: between two saves.
        keep: steps whose weights are kept, rising.
        probe_every: steps between two at which heads are fitted; 0 for none.
        log: the libraries that log it beside our own file.
    """

    device: str = "auto"
    kernel: Kernel = "auto"
    precision: Precision = "float32"
    compile: bool = False
    threads: Annotated[int, Range(1, 4096)] = 1
    processes: Size = 1
    save_seconds: NotNegative = 60.0
    keep: Annotated[tuple[int, ...], Range(0, 2**40)] = ()
    probe_every: Annotated[int, Range(0, 2**40)] = 0
    log: tuple[TrainingLog, ...] = ()

    def __post_init__(self) -> None:
        check(self, lambda name: f"The run's {name}")

    def changed(self, before: RunSettings) -> dict[str, Any]:
        """Returns the settings that changed since the last run and that change the rounding of the weights."""
        moving = ("device", "kernel", "precision", "compile", "threads", "processes")
        return {name: getattr(self, name) for name in moving if getattr(self, name) != getattr(before, name)}


def choose_settings(config: TrainConfig, plan: TrainPlan, processes: int, before: RunSettings | None) -> RunSettings:
    """Returns how a training is run: by the flags, or as in the run before for those that are not given.

    Args:
        before: of the run that is resumed.

    Raises:
        ProbeError: if a number is out of range, or a step to keep is past.
    """
    usual = before or RunSettings(precision=plan.precision, threads=torch.get_num_threads())
    return RunSettings(
        device=_given(config.device, usual.device),
        kernel=_given(config.kernel, usual.kernel),
        precision=_given(config.precision, usual.precision),
        compile=_given(config.compile, usual.compile),
        threads=_given(config.threads, usual.threads),
        processes=processes,
        save_seconds=_given(config.save_seconds, usual.save_seconds),
        keep=kept_steps(config.keep, plan.steps) or usual.keep,
        probe_every=_given(config.probe_every, usual.probe_every),
        log=config.log or usual.log,
    )


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
    """Returns the plan of a training that is resumed.

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
        if given != known[name]:
            raise ProbeError(
                f"--{name.replace('_', '-')} {given} was given, but the state beside {config.out} was trained with "
                f"{known[name]}. Drop the flag to continue, or train to another file."
            )
    return replace(plan, precision=_given(config.precision, plan.precision))


def _given(flag: T | None, default: T) -> T:
    return default if flag is None else flag


def _model_config(config: TrainConfig, preset: Preset, family: Family, shape: Shape, length: int) -> ModelConfig:
    recipe = preset.recipe(config.task or "", family.recipe)
    positions = _given(config.positions, family.positions)
    return ModelConfig(
        layout=family.layout,
        dim=shape.inputs,
        width=_given(config.width, recipe.width),
        outputs=shape.outputs,
        norm=_given(config.norm, family.norm),  # type: ignore[arg-type]
        positions=positions,  # type: ignore[arg-type]
        slots=max(length, recipe.slots) if positions == "learned" else 0,
        attention_heads=_given(config.attention_heads, preset.attention_heads),
        symbols=shape.symbols,
        dropout=_given(config.dropout, 0.0),
        init=_given(config.init, recipe.init),
    )


def _family(config: TrainConfig, preset: Preset) -> Family:
    if (config.arch is None) == (config.layout is None):
        raise ProbeError(
            "A training needs either --arch or --layout. "
            f"Give one of them: --arch {' or '.join(ARCHITECTURES)}, or --layout M12."
        )
    families = _families(preset, config.task or "")
    if config.arch is None:
        found = _layout_family(config.layout, families)
        _refuse_unpublished(config, preset, found.arch)
        return found
    _refuse_unpublished(config, preset, config.arch)
    return _named_family(config.arch, families[config.arch], config, preset)


def _refuse_unpublished(config: TrainConfig, preset: Preset, arch: str) -> None:
    """Refuses a task or an architecture of which a published preset has no recipe.

    Raises:
        ProbeError: if it has none.
    """
    name = (config.task or "").partition(":")[0]
    if preset.published and name not in preset.tasks:
        raise ProbeError(
            f"--preset {config.preset} was given with the task {name}, but {preset.published} published recipes of "
            f"{', '.join(preset.tasks)} alone. Give one of these, or --preset laptop."
        )
    if preset.published and arch not in preset.recipes_of(name):
        raise ProbeError(
            f"--preset {config.preset} was given with {arch} on {name}, but {preset.published} published recipes of "
            f"{', '.join(preset.recipes_of(name))} there. Give one of these, or --preset laptop."
        )


def _families(preset: Preset, task: str) -> dict[str, Architecture]:
    """Returns the architectures that may be named, as a preset has them on a task; of a published one its own alone."""
    recipes = preset.recipes_of(task)
    found = {name: family for name, family in ARCHITECTURES.items() if name in recipes or not preset.published}
    for name, recipe in recipes.items():
        found[name] = replace(
            found[name],
            layout=_given(recipe.layout, found[name].layout),
            norm=_given(recipe.norm, found[name].norm),
            positions=_given(recipe.positions, found[name].positions),
        )
    return found


def _layout_family(layout: str | None, families: Mapping[str, Architecture]) -> Family:
    """Returns the named architecture that a layout is of, or one derived from the attributes of its mixers."""
    assert layout is not None, "either an architecture or a layout is given"
    letters = parse_layout(layout)
    positions = positions_of(letters, layout)
    texts = {name: family.named(len(letters)) for name, family in families.items()}
    same = [name for name, text in texts.items() if text is not None and parse_layout(text) == letters]
    # two architectures may differ in their positions alone, as the hybrids do
    same.sort(key=lambda name: families[name].positions != positions)
    if same:
        return Family(same[0], layout, families[same[0]].norm, families[same[0]].positions, same[0])
    return Family(layout, layout, norm_of(letters, layout), positions, recipe_of(letters, layout))


def _named_family(arch: str, family: Architecture, config: TrainConfig, preset: Preset) -> Family:
    blocks = _given(config.blocks, preset.recipe(config.task or "", arch).blocks)
    layout = family.named(blocks)
    if layout is None:
        before = f"{family.blocks_before} and " if family.blocks_before else ""
        raise ProbeError(
            f"--blocks {blocks} was given, but {arch} needs {before}a positive multiple of "
            f"{family.blocks_per_repeat}. Give such a number."
        )
    return Family(arch, layout, family.norm, family.positions, arch)
