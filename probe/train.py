"""Trains a sequence model to learn a function class in context, resumably and reproducibly."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
import torch
from torch import Tensor

from probe import checkpoint, records
from probe.checkpoint import device_named
from probe.config import ARCHITECTURES, PRESETS, ModelConfig, Preset, TrainConfig
from probe.errors import ProbeError, suggest
from probe.models import ResidualModel
from probe.models.layout import parse_layout
from probe.randomness import BatchSource, PromptSource, key
from probe.records import Record, versions
from probe.tasks import Task, make

T = TypeVar("T")
LOG_EVERY = 50
FINAL_PROMPTS = 4096
# what may change between a run and its continuation without changing what is trained
FREE_ON_RESUME = ("out", "device", "kernel", "threads", "save_seconds", "json", "resume")


@dataclass(frozen=True)
class Progress:
    """Where a training stands: steps done of all, the loss and the last context's error since the last report."""

    step: int
    steps: int
    loss: float
    error: float


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
            return self.model.dim, self.context
        preset = PRESETS[self.preset]
        points = preset.points.at(step, self.context + 1)
        return preset.dims.at(step, self.model.dim), points - 1


@dataclass
class _Run:
    """What a training carries from step to step; all of it stands in the state."""

    model: ResidualModel
    optimiser: torch.optim.Adam
    step: int
    seconds: float
    rows: list[dict[str, Any]]
    sums: list[float]
    command: str


def train_model(config: TrainConfig, command: str = "", progress: Callable[[Progress], None] | None = None) -> Record:
    """Trains, writes FILE.pt, FILE.pt.state and the loss log FILE-training.csv/.json, and returns the log.

    Raises:
        ProbeError: if the settings contradict each other, the output cannot be written, or the loss diverges.
    """
    out = Path(config.out)
    records.check_writable(out)
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    plan = _resumed_plan(config) if config.resume else make_plan(config)
    task = make(plan.task, plan.model.dim)
    device = device_named(config.device)
    run = _start(plan, device, command)
    if config.resume:
        _restore(run, checkpoint.load_state(_state_path(out)))
    run.model.use_kernel(config.kernel)
    saved = time.monotonic()
    began = saved - run.seconds
    try:
        while run.step < plan.steps:
            _step(run, plan, task, device, began)
            if run.step % LOG_EVERY == 0 or run.step == plan.steps:
                _log(run, plan, began, progress)
            if time.monotonic() - saved > config.save_seconds:
                _save(run, plan, out)
                saved = time.monotonic()
    except KeyboardInterrupt:
        _save(run, plan, out)
        raise
    return _save(run, plan, out, _final_errors(run.model, task, plan, device))


def make_plan(config: TrainConfig) -> TrainPlan:
    """Decides every setting from the flags, the preset and the architecture.

    Raises:
        ProbeError: if a setting is missing, unknown or out of range.
    """
    if config.task is None:
        raise ProbeError("No task was given, but a training needs one. Add --task linear, for example.")
    preset = PRESETS[config.preset]
    model, arch = _model_config(config, preset)
    recipe = preset.recipe(arch)
    plan = TrainPlan(
        model=model,
        task=config.task,
        arch=arch,
        context=_given(config.context, preset.context),
        steps=_given(config.steps, recipe.steps),
        batch=_given(config.batch, preset.batch),
        lr=_given(config.lr, recipe.lr),
        schedule=_given(config.schedule, preset.schedule),
        warmup=_given(config.warmup, preset.warmup),
        clip=_given(config.clip, preset.clip),
        curriculum=_given(config.curriculum, recipe.curriculum),
        preset=config.preset,
        seed=config.seed,
    )
    for name, lowest in (("context", 1), ("steps", 1), ("batch", 1), ("warmup", 0)):
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


def _model_config(config: TrainConfig, preset: Preset) -> tuple[ModelConfig, str]:
    if (config.arch is None) == (config.layout is None):
        raise ProbeError(
            "A training needs either --arch or --layout. "
            f"Give one of them: --arch {' or '.join(ARCHITECTURES)}, or --layout M12."
        )
    context, width = _given(config.context, preset.context), _given(config.width, preset.width)
    if min(width, context) < 1:
        raise ProbeError(
            f"--width {width} and --context {context} were given, but both must be positive. Correct them."
        )
    if config.layout is not None:
        letters = "".join(letter.letter for letter in parse_layout(config.layout))
        layout, arch = config.layout, config.layout
        norm, positions = ("rms", "none") if "M" in letters else ("layer", "learned")
    else:
        arch = str(config.arch)
        if arch not in ARCHITECTURES:
            raise ProbeError(
                f"No architecture is called {arch!r}. {suggest(arch, list(ARCHITECTURES))}"
                f"Architectures: {', '.join(ARCHITECTURES)}."
            )
        layout, norm, positions = _named_layout(arch, config, preset)
    chosen = _given(config.positions, positions)
    model = ModelConfig(
        layout=layout,
        dim=_given(config.dim, preset.dim),
        width=width,
        norm=_given(config.norm, norm),  # type: ignore[arg-type]
        positions=chosen,  # type: ignore[arg-type]
        slots=2 * context + 1 if chosen == "learned" else 0,
        attention_heads=_given(config.attention_heads, preset.attention_heads),
    )
    return model, arch


def _named_layout(arch: str, config: TrainConfig, preset: Preset) -> tuple[str, str, str]:
    family = ARCHITECTURES[arch]
    blocks = _given(config.blocks, preset.recipe(arch).blocks)
    if blocks < 1 or blocks % family.blocks_per_repeat:
        raise ProbeError(
            f"--blocks {blocks} was given, but {arch} needs a positive multiple of {family.blocks_per_repeat}. "
            "Give such a number."
        )
    return family.layout.format(n=blocks // family.blocks_per_repeat), family.norm, family.positions


def _resumed_plan(config: TrainConfig) -> TrainPlan:
    state = checkpoint.load_state(_state_path(Path(config.out)))
    settings = dict(state["plan"])
    plan = TrainPlan(**{**settings, "model": ModelConfig(**settings["model"])})
    known = {**asdict(plan.model), **settings, "arch": plan.arch, "layout": plan.model.layout}
    for name, given in asdict(config).items():
        default = TrainConfig.__dataclass_fields__[name].default
        if name in FREE_ON_RESUME or given == default or name not in known:
            continue
        if given != known[name]:
            raise ProbeError(
                f"--{name.replace('_', '-')} {given} was given, but the state beside {config.out} was trained with "
                f"{known[name]}. Drop the flag to continue, or train to another file."
            )
    return plan


def _state_path(out: Path) -> Path:
    return out.with_name(out.name + ".state")


def _start(plan: TrainPlan, device: torch.device, command: str) -> _Run:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(key(plan.seed, "weights") % 2**63)
        model = ResidualModel(plan.model).to(device)
    optimiser = torch.optim.Adam(model.parameters(), lr=plan.lr, fused=True)
    return _Run(model, optimiser, 0, 0.0, [], [0.0] * 4, command)


def _restore(run: _Run, state: dict[str, Any]) -> None:
    run.model.load_state_dict(state["weights"])
    run.optimiser.load_state_dict(state["optimiser"])
    torch.set_rng_state(state["random"])
    run.step, run.seconds = int(state["step"]), float(state["seconds"])
    run.rows, run.sums, run.command = list(state["rows"]), list(state["sums"]), str(state["command"])


def _step(run: _Run, plan: TrainPlan, task: Task, device: torch.device, began: float) -> None:
    active, context = plan.stage(run.step)
    prompts = task.draw(BatchSource(plan.seed, run.step, plan.batch, device), context, active)
    residual = run.model(prompts.inputs)[:, prompts.queries, 0] - prompts.targets
    loss = residual.square().mean()
    if not bool(torch.isfinite(loss)):
        raise ProbeError(
            f"The loss is not finite at step {run.step}, so the training has diverged. "
            "Use a smaller --lr or a --clip; the last saved state is kept."
        )
    run.optimiser.zero_grad(set_to_none=True)
    loss.backward()
    if plan.clip > 0:
        torch.nn.utils.clip_grad_norm_(run.model.parameters(), plan.clip)
    for group in run.optimiser.param_groups:
        group["lr"] = plan.rate(run.step)
    run.optimiser.step()
    run.step += 1
    last = residual.detach()[:, -1].square().sum().item(), prompts.targets[:, -1].square().sum().item()
    run.sums = [total + new for total, new in zip(run.sums, (loss.item(), 1.0, *last), strict=True)]


def _log(run: _Run, plan: TrainPlan, began: float, progress: Callable[[Progress], None] | None) -> None:
    total, steps, squared, zero = run.sums
    active, context = plan.stage(run.step - 1)
    run.seconds = time.monotonic() - began
    row = {
        "step": run.step,
        "loss": total / steps,
        "error": squared / zero,
        "rate": plan.rate(run.step - 1),
        "seconds": round(run.seconds, 1),
        "dim": active,
        "context": context,
    }
    run.rows.append(row)
    run.sums = [0.0] * 4
    if progress is not None:
        progress(Progress(run.step, plan.steps, row["loss"], row["error"]))


@torch.no_grad()
def _final_errors(model: ResidualModel, task: Task, plan: TrainPlan, device: torch.device) -> list[float]:
    """Returns the normalised error on fresh prompts by context, [context + 1]."""
    squared, zero = torch.zeros(2, plan.context + 1, dtype=torch.float64).unbind(0)
    for first in range(0, FINAL_PROMPTS, 256):
        prompts = task.draw(PromptSource(plan.seed, "score", range(first, first + 256)), plan.context)
        predicted: Tensor = model(prompts.inputs.to(device))[:, prompts.queries.to(device), 0].cpu()
        squared += (predicted - prompts.targets).double().square().sum(0)
        zero += prompts.targets.double().square().sum(0)
    return [float(error) for error in squared / zero]


def _save(run: _Run, plan: TrainPlan, out: Path, errors: list[float] | None = None) -> Record:
    description: dict[str, Any] = {
        "task": plan.task,
        "arch": plan.arch,
        "context": plan.context,
        "seed": plan.seed,
        "step": run.step,
        "seconds": round(run.seconds, 1),
        "training_flops": training_flops(run.model, plan, run.step),
        "plan": asdict(plan),
        "command": run.command,
        "versions": versions(),
    }
    if errors is not None:
        description["errors"] = errors
    state = {
        "plan": asdict(plan),
        "weights": run.model.state_dict(),
        "optimiser": run.optimiser.state_dict(),
        "random": torch.get_rng_state(),
        "step": run.step,
        "seconds": run.seconds,
        "rows": run.rows,
        "command": run.command,
        "sums": run.sums,
    }
    checkpoint.save_state(_state_path(out), state)
    digest = checkpoint.save(out, run.model, description)
    table = pd.DataFrame(run.rows, columns=[name for name in records.TRAINING_COLUMNS if name != "model"])
    table.insert(0, "model", out.stem)
    record = Record(table, {"kind": "train", "digest": digest, **description})
    records.save(record, out.with_name(f"{out.stem}-training"))
    return record


def training_flops(model: ResidualModel, plan: TrainPlan, steps: int) -> int:
    """Returns the floating-point operations of a training: three forward passes a step, over the curriculum."""
    total, step = 0, 0
    while step < steps:
        stage, first = plan.stage(step), step
        while step < steps and plan.stage(step) == stage:
            step += 1 if plan.curriculum else steps - first
        forward = model.cumulative_flops(2 * stage[1] + 1)[-1]
        total += 3 * forward * plan.batch * (step - first)
    return total
