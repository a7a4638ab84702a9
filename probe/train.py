"""Trains a sequence model to learn a function class in context, resumably and reproducibly."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from probe import checkpoint, records
from probe.checkpoint import device_named
from probe.config import ModelConfig, TrainConfig
from probe.errors import ProbeError
from probe.models import ResidualModel
from probe.plan import TrainPlan
from probe.plan import make_plan as make_plan
from probe.presets import architecture
from probe.processes import ALONE, EndedError, Processes
from probe.processes.step import add_gradients, completed
from probe.randomness import BatchSource, PromptSource, key
from probe.records import Record, versions
from probe.tasks import Prompts, Task, make

LOG_EVERY = 50
FINAL_PROMPTS = 4096
FINAL_BATCH = 256
FINAL_TOKENS = 2**16  # at most so many at once: prompts may be long
# what may change between a run and its continuation without changing what is trained
FREE_ON_RESUME = ("out", "device", "kernel", "compile", "threads", "save_seconds", "json", "resume")
SHAPES = 64  # of prompts, over a curriculum, that a compiled model is kept for


@dataclass(frozen=True)
class Progress:
    """Where a training stands: steps done of all, the loss and the last context's error since the last report."""

    step: int
    steps: int
    loss: float
    error: float


@dataclass
class _Run:
    """What a training carries from step to step; all of it stands in the state."""

    model: ResidualModel
    optimiser: torch.optim.Adam
    step: int
    seconds: float
    rows: list[dict[str, Any]]
    sums: Tensor
    """Since the last report: loss, steps, the last query's cost, that of knowing nothing; where the model is, so that
    no step waits for a GPU."""
    command: str
    forward: Callable[[Tensor], Tensor]
    """The model, or what it was compiled into."""


def train_model(
    config: TrainConfig,
    command: str = "",
    progress: Callable[[Progress], None] | None = None,
    processes: Processes = ALONE,
) -> Record:
    """Trains, writes FILE.pt, FILE.pt.state and the loss log FILE-training.csv/.json, and returns the log.

    Several processes descend as one would, but for rounding and for what is dropped out. Where one of them is lost the
    last whole step is saved, unless it was the one that writes.

    Args:
        processes: those that run this together; a training may go on with another number of them.

    Raises:
        ProbeError: if the settings contradict each other, the output cannot be written, or the loss diverges.
    """
    out = Path(config.out)
    processes.shared(lambda: records.check_writable(out))
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    state = processes.shared(lambda: checkpoint.load_state(_state_path(out))) if config.resume else None
    plan = make_plan(config) if state is None else _resumed_plan(config, state)
    if plan.batch < processes.count:
        raise ProbeError(
            f"--batch {plan.batch} was given, but each of {processes.count} processes needs a prompt. Start fewer."
        )
    task = make(plan.task, plan.dim)
    device = device_named(config.device)
    run = _start(plan, device, command)
    if state is not None:
        _restore(run, state)
    run.model.use_kernel(config.kernel)
    if config.compile:
        run.forward = _compiled(run.model, device)
    saved = time.monotonic()
    began = saved - run.seconds
    try:
        while run.step < plan.steps:
            processes.check()
            _step(run, plan, task, device, processes)
            if run.step % LOG_EVERY == 0 or run.step == plan.steps:
                _log(run, plan, began, progress)
            if processes.writes and time.monotonic() - saved > config.save_seconds:
                _save(run, plan, out, processes)
                saved = time.monotonic()
    except (KeyboardInterrupt, EndedError):
        if processes.writes:
            _save(run, plan, out, processes)
        raise
    return processes.shared(lambda: _save(run, plan, out, processes, _final_errors(run.model, task, plan, device)))


def _resumed_plan(config: TrainConfig, state: dict[str, Any]) -> TrainPlan:
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
    sums = torch.zeros(4, dtype=torch.float64, device=device)
    return _Run(model, optimiser, 0, 0.0, [], sums, command, model)


def _compiled(model: ResidualModel, device: torch.device) -> Callable[[Tensor], Tensor]:
    """Returns the model compiled for each shape of prompts; on a GPU replayed as one CUDA graph a pass.

    A small model's kernels are over before the next one is launched; a graph launches all at once.
    """
    torch._dynamo.config.recompile_limit = SHAPES
    mode = "reduce-overhead" if device.type == "cuda" else "default"
    compiled: Callable[[Tensor], Tensor] = torch.compile(model, mode=mode, dynamic=False)
    return compiled


def _restore(run: _Run, state: dict[str, Any]) -> None:
    run.model.load_state_dict(state["weights"])
    run.optimiser.load_state_dict(state["optimiser"])
    run.step, run.seconds = int(state["step"]), float(state["seconds"])
    run.rows, run.command = list(state["rows"]), str(state["command"])
    run.sums.copy_(torch.tensor(state["sums"], dtype=torch.float64))


def _step(run: _Run, plan: TrainPlan, task: Task, device: torch.device, processes: Processes = ALONE) -> None:
    active, context = plan.stage(run.step)
    prompts = task.draw(BatchSource(plan.seed, run.step, plan.batch, device), context, active)
    own = processes.share(plan.batch)
    spoken = _forward(run.forward, prompts.inputs[own], plan, run.step, processes)
    outputs = completed(spoken, own, plan.batch, processes)
    loss = task.loss(outputs, prompts)
    run.optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    add_gradients(run.model.parameters(), processes)
    if plan.clip > 0:
        torch.nn.utils.clip_grad_norm_(run.model.parameters(), plan.clip)
    for group in run.optimiser.param_groups:
        group["lr"] = plan.rate(run.step)
    run.optimiser.step()
    run.step += 1
    squared, zero = _last_error(task, outputs.detach(), prompts)
    run.sums += torch.stack([loss.detach(), torch.ones_like(loss), squared, zero])


def _refuse_divergence(run: _Run) -> None:
    """Raises if a loss since the last report was not finite."""
    if not bool(torch.isfinite(run.sums[0])):
        first = run.rows[-1]["step"] if run.rows else 0
        raise ProbeError(
            f"The loss is not finite between steps {first} and {run.step}, so the training has diverged. "
            "Use a smaller --lr or a --clip; the last saved state is kept."
        )


def _log(run: _Run, plan: TrainPlan, began: float, progress: Callable[[Progress], None] | None) -> None:
    _refuse_divergence(run)
    total, steps, squared, zero = run.sums.tolist()
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
    run.sums.zero_()
    if progress is not None:
        progress(Progress(run.step, plan.steps, row["loss"], row["error"]))


def _forward(
    model: Callable[[Tensor], Tensor], inputs: Tensor, plan: TrainPlan, step: int, processes: Processes
) -> Tensor:
    """Runs the model in training; where anything is dropped, what is dropped depends on step and process alone."""
    who = (processes.rank,) if processes.count > 1 else ()
    devices = [inputs.device] if inputs.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(key(plan.seed, "dropout", step, *who) % 2**63)
        with torch.autocast(inputs.device.type, torch.bfloat16, enabled=plan.precision == "bfloat16"):
            outputs = model(inputs)
    return outputs.float()


def _last_error(task: Task, outputs: Tensor, prompts: Prompts) -> tuple[Tensor, Tensor]:
    """Returns the cost of the last query, and that of knowing nothing, summed over the batch."""
    answers = task.answer(outputs.index_select(1, prompts.queries))
    return task.cost(answers, prompts)[:, -1].sum(), task.guess(prompts)[:, -1].sum()


@torch.no_grad()
def _final_errors(model: ResidualModel, task: Task, plan: TrainPlan, device: torch.device) -> dict[str, Any]:
    """Returns the normalised error on fresh prompts by query, and the examples before each."""
    model.eval()
    costs: list[Tensor] = []
    guesses: list[Tensor] = []
    batch = min(FINAL_BATCH, max(1, FINAL_TOKENS // task.length(plan.context)))
    for first in range(0, FINAL_PROMPTS, batch):
        prompts = task.draw(
            PromptSource(plan.seed, "score", range(first, min(first + batch, FINAL_PROMPTS))), plan.context
        )
        outputs = model(prompts.inputs.to(device)).cpu()
        costs.append(task.cost(task.answer(outputs.index_select(1, prompts.queries)), prompts).sum(0))
        guesses.append(task.guess(prompts).sum(0))
    errors = torch.stack(costs).sum(0) / torch.stack(guesses).sum(0)
    model.train()
    return {"errors": [float(error) for error in errors], "contexts": list(prompts.contexts)}


def _save(run: _Run, plan: TrainPlan, out: Path, processes: Processes, errors: dict[str, Any] | None = None) -> Record:
    _refuse_divergence(run)
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
        "processes": processes.count,
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
        "sums": run.sums.tolist(),
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
