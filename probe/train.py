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
from probe.config import ModelConfig, TrainConfig
from probe.errors import ProbeError, suggest
from probe.models import ResidualModel
from probe.models.layout import parse_layout
from probe.presets import ARCHITECTURES, PRESETS, Preset, architecture
from probe.randomness import BatchSource, PromptSource, key
from probe.records import Record, versions
from probe.tasks import TASKS, Prompts, Shape, Task, make

T = TypeVar("T")
LOG_EVERY = 50
FINAL_PROMPTS = 4096
FINAL_BATCH = 256
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
    dim: int

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
    task = make(plan.task, plan.dim)
    device = device_named(config.device)
    run = _start(plan, device, command)
    if config.resume:
        _restore(run, checkpoint.load_state(_state_path(out)))
    run.model.use_kernel(config.kernel)
    saved = time.monotonic()
    began = saved - run.seconds
    try:
        while run.step < plan.steps:
            _step(run, plan, task, device)
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


def _resumed_plan(config: TrainConfig) -> TrainPlan:
    state = checkpoint.load_state(_state_path(Path(config.out)))
    settings = dict(state["plan"])
    model = ModelConfig(**settings["model"])
    # a state written before tasks had a shape of their own lacks the dimension, which was the model's
    plan = TrainPlan(**{"dim": model.dim, **settings, "model": model})
    known = {**asdict(plan.model), **settings, "arch": plan.arch, "layout": plan.model.layout}
    for name, given in asdict(config).items():
        default = TrainConfig.__dataclass_fields__[name].default
        if name in FREE_ON_RESUME or given == default or name not in known:
            continue
        if name == "arch" and architecture(str(given)) == plan.arch:
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
    run.step, run.seconds = int(state["step"]), float(state["seconds"])
    run.rows, run.sums, run.command = list(state["rows"]), list(state["sums"]), str(state["command"])


def _step(run: _Run, plan: TrainPlan, task: Task, device: torch.device) -> None:
    active, context = plan.stage(run.step)
    prompts = task.draw(BatchSource(plan.seed, run.step, plan.batch, device), context, active)
    outputs = _forward(run.model, prompts.inputs, plan, run.step)
    loss = task.loss(outputs, prompts)
    if not bool(torch.isfinite(loss)):
        raise ProbeError(
            f"The loss is not finite at step {run.step}, so the training has diverged. "
            "Use a smaller --lr or a --clip; the last saved state is kept."
        )
    run.optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    if plan.clip > 0:
        torch.nn.utils.clip_grad_norm_(run.model.parameters(), plan.clip)
    for group in run.optimiser.param_groups:
        group["lr"] = plan.rate(run.step)
    run.optimiser.step()
    run.step += 1
    last = _last_error(task, outputs.detach(), prompts)
    run.sums = [total + new for total, new in zip(run.sums, (loss.item(), 1.0, *last), strict=True)]


def _log(run: _Run, plan: TrainPlan, began: float, progress: Callable[[Progress], None] | None) -> None:
    total, steps, squared, zero = run.sums
    active, context = plan.stage(run.step - 1)
    run.seconds = time.monotonic() - began
    row = {
        "step": run.step,
        "loss": total / steps,
        "error": squared / zero if zero else math.nan,
        "rate": plan.rate(run.step - 1),
        "seconds": round(run.seconds, 1),
        "dim": active,
        "context": context,
    }
    run.rows.append(row)
    run.sums = [0.0] * 4
    if progress is not None:
        progress(Progress(run.step, plan.steps, row["loss"], row["error"]))


def _forward(model: ResidualModel, inputs: Tensor, plan: TrainPlan, step: int) -> Tensor:
    """Runs the model in training; where anything is dropped, what is dropped depends on the step alone."""
    devices = [inputs.device] if inputs.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(key(plan.seed, "dropout", step) % 2**63)
        outputs: Tensor = model(inputs)
    return outputs


def _last_error(task: Task, outputs: Tensor, prompts: Prompts) -> tuple[float, float]:
    """Returns the cost of the last query, and that of knowing nothing, summed over the batch."""
    answers = task.answer(outputs.index_select(1, prompts.queries))
    return task.cost(answers, prompts)[:, -1].sum().item(), task.guess(prompts)[:, -1].sum().item()


@torch.no_grad()
def _final_errors(model: ResidualModel, task: Task, plan: TrainPlan, device: torch.device) -> dict[str, Any]:
    """Returns the normalised error on fresh prompts by query, and the examples before each."""
    model.eval()
    costs: list[Tensor] = []
    guesses: list[Tensor] = []
    for first in range(0, FINAL_PROMPTS, FINAL_BATCH):
        prompts = task.draw(
            PromptSource(plan.seed, "score", range(first, min(first + FINAL_BATCH, FINAL_PROMPTS))), plan.context
        )
        outputs = model(prompts.inputs.to(device)).cpu()
        costs.append(task.cost(task.answer(outputs.index_select(1, prompts.queries)), prompts).sum(0))
        guesses.append(task.guess(prompts).sum(0))
    errors = torch.stack(costs).sum(0) / torch.stack(guesses).sum(0)
    model.train()
    return {"errors": [float(error) for error in errors], "contexts": list(prompts.contexts)}


def _save(run: _Run, plan: TrainPlan, out: Path, errors: dict[str, Any] | None = None) -> Record:
    description: dict[str, Any] = {
        "task": plan.task,
        "arch": plan.arch,
        "dim": plan.dim,
        "context": plan.context,
        "seed": plan.seed,
        "step": run.step,
        "seconds": round(run.seconds, 1),
        "training_flops": training_flops(run.model, plan, run.step),
        "plan": asdict(plan),
        "command": run.command,
        "versions": versions(),
        **(errors or {}),
    }
    state = {
        "plan": asdict(plan),
        "weights": run.model.state_dict(),
        "optimiser": run.optimiser.state_dict(),
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
    total, step, length = 0, 0, make(plan.task, plan.dim).length
    while step < steps:
        stage, first = plan.stage(step), step
        while step < steps and plan.stage(step) == stage:
            step += 1 if plan.curriculum else steps - first
        forward = model.cumulative_flops(length(stage[1]))[-1]
        total += 3 * forward * plan.batch * (step - first)
    return total
