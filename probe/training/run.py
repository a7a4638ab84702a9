"""A training in progress: how it is started, restored from a state, and described."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from probe.errors import ProbeError
from probe.models import ResidualModel
from probe.randomness import PromptSource, key
from probe.records import versions
from probe.tasks import Task, make
from probe.training import state
from probe.training.plan import RunSettings, TrainPlan
from probe.training.state import TrainingState

FINAL_BATCH = 256
FINAL_TOKENS = 2**16  # at most so many at once: prompts may be long
SHAPES = 64  # of prompts, over a curriculum, that a compiled model is kept for


@dataclass
class Run:
    """A training in progress: the model, the optimiser, the step and the log, all of which the state holds."""

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
    settings: RunSettings
    changes: list[dict[str, Any]] = field(default_factory=list)
    identity: str = field(default_factory=lambda: secrets.token_hex(8))
    """What tells this training from another of the same name."""
    began: float = 0.0
    whole: bool = True
    """Whether it stands between two steps."""
    saved: bool = False
    """Whether the files at the output are of this process."""


def start(plan: TrainPlan, device: torch.device, settings: RunSettings, command: str) -> Run:
    """Returns a training before its first step."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(key(plan.seed, "weights") % 2**63)
        model = ResidualModel(plan.model).to(device)
    optimiser = torch.optim.Adam(model.parameters(), lr=plan.lr, fused=True)
    sums = torch.zeros(4, dtype=torch.float64, device=device)
    return Run(model, optimiser, 0, 0.0, [], sums, command, model, settings)


def compiled(model: ResidualModel, device: torch.device) -> Callable[[Tensor], Tensor]:
    """Returns the model compiled for each shape of prompts; on a GPU replayed as one CUDA graph a pass.

    A small model's kernels are over before the next one is launched; a graph launches all at once.
    """
    torch._dynamo.config.recompile_limit = SHAPES
    mode = "reduce-overhead" if device.type == "cuda" else "default"
    compiled: Callable[[Tensor], Tensor] = torch.compile(model, mode=mode, dynamic=False)
    return compiled


def restore(run: Run, before: TrainingState) -> None:
    """Restores a training from its state, and notes the settings of its run that have changed."""
    run.model.load_state_dict(before.weights)
    groups = run.optimiser.state_dict()["param_groups"]
    run.optimiser.load_state_dict({"state": before.moments(), "param_groups": groups})
    run.step, run.seconds = before.step, before.seconds
    run.rows, run.command, run.identity = list(before.rows), before.command, before.run
    run.sums.copy_(torch.tensor(before.sums, dtype=torch.float64))
    known = before.settings
    if known.device == "auto":  # an old state does not say which it was
        known = replace(known, device=run.settings.device)
    changed = run.settings.changed(known)
    run.changes = [*before.changes, *([{"step": run.step, **changed}] if changed else [])]


def refuse_divergence(run: Run) -> None:
    """Raises if a loss since the last report was not finite, or the weights are not."""
    finite = (
        torch.isfinite(run.sums).all() & torch.stack([each.isfinite().all() for each in run.model.parameters()]).all()
    )
    if not bool(finite):
        first = run.rows[-1]["step"] if run.rows else 0
        raise ProbeError(
            f"The loss is not finite between steps {first} and {run.step}, so the training has diverged. "
            "Use a smaller --lr or a --clip; the last saved state is kept."
        )


@torch.no_grad()
def errors_of(
    model: ResidualModel,
    task: Task,
    plan: TrainPlan,
    device: torch.device,
    count: int,
    check: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Returns the normalised error on fresh prompts by query, and the examples before each."""
    model.eval()
    costs: list[Tensor] = []
    guesses: list[Tensor] = []
    batch = min(FINAL_BATCH, max(1, FINAL_TOKENS // task.length(plan.context)))
    for first in range(0, count, batch):
        check()
        prompts = task.draw(PromptSource(plan.seed, "score", range(first, min(first + batch, count))), plan.context)
        outputs = model(prompts.inputs.to(device)).cpu()
        costs.append(task.cost(task.answer(outputs.index_select(1, prompts.queries)), prompts).sum(0))
        guesses.append(task.guess(prompts).sum(0))
    errors = torch.stack(costs).sum(0) / torch.stack(guesses).sum(0)
    model.train()
    return {"errors": [float(error) for error in errors], "contexts": list(prompts.contexts)}


def described(run: Run, plan: TrainPlan) -> dict[str, Any]:
    """Returns the description of the training that a checkpoint holds."""
    return {
        "task": plan.task,
        "arch": plan.arch,
        "dim": plan.dim,
        "context": plan.context,
        "seed": plan.seed,
        "step": run.step,
        "seconds": round(run.seconds, 1),
        "training_flops": training_flops(run.model, plan, run.step),
        "plan": asdict(plan),
        "settings": asdict(run.settings),
        "changes": run.changes,
        "run": run.identity,
        "command": run.command,
        "versions": versions(),
        "processes": run.settings.processes,
    }


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


def state_of(run: Run, plan: TrainPlan) -> TrainingState:
    """Returns the state of a training between two steps."""
    return TrainingState(
        plan=plan,
        run=run.identity,
        step=run.step,
        seconds=run.seconds,
        rows=run.rows,
        sums=run.sums.tolist(),
        command=run.command,
        settings=run.settings,
        changes=run.changes,
        tensors=state.tensors_of(run.model, run.optimiser),
    )
