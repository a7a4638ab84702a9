"""A step of a training: fresh prompts, the gradient of their loss, and the optimiser's move."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from probe.processes import ALONE, Processes
from probe.processes.gradients import add_gradients, completed
from probe.processes.side_by_side import torch_threads
from probe.randomness import BatchSource, key
from probe.tasks import Prompts, Task
from probe.training.parts import ONE_PART, Parts
from probe.training.plan import TrainPlan
from probe.training.run import Run


def take_step(run: Run, plan: TrainPlan, task: Task, parts: Parts = ONE_PART, processes: Processes = ALONE) -> None:
    """Takes the next step of a training.

    Args:
        parts: in which this process takes its share of the batch.
        processes: those that take the step together.
    """
    with torch_threads(1 if parts.count > 1 else run.settings.threads):
        _take_step(run, plan, task, parts, processes)


def _take_step(run: Run, plan: TrainPlan, task: Task, parts: Parts, processes: Processes) -> None:
    device = torch.device(run.settings.device)
    active, context = plan.stage(run.step)
    source = BatchSource(plan.seed, run.step, plan.batch, device, plan.batch_key == "whole")
    prompts = task.draw(source, context, active)
    own = processes.share(plan.batch)
    answers = parts.answer(partial(_answered, run, plan, processes), prompts.inputs[own])
    outputs = completed(answers.whole, own, plan.batch, processes)
    loss = task.loss(outputs, prompts)
    run.optimiser.zero_grad(set_to_none=True)
    parts.backward(loss, answers, list(run.model.parameters()))
    add_gradients(run.model.parameters(), processes)
    if plan.clip > 0:
        torch.nn.utils.clip_grad_norm_(run.model.parameters(), plan.clip)
    for group in run.optimiser.param_groups:
        group["lr"] = plan.rate(run.step)
    run.whole = False
    run.optimiser.step()
    run.step += 1
    squared, zero = _last_error(task, outputs.detach(), prompts)
    run.sums += torch.stack([loss.detach(), torch.ones_like(loss), squared, zero])
    run.whole = True


def _answered(run: Run, plan: TrainPlan, processes: Processes, inputs: Tensor) -> Tensor:
    """Runs the model in training; which units dropout drops depends on the seed, the step and the process alone."""
    if not plan.model.dropout:
        return _outputs(run, plan, inputs)
    who = (processes.rank,) if processes.count > 1 else ()
    devices = [inputs.device] if inputs.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(key(plan.seed, "dropout", run.step, *who) % 2**63)
        return _outputs(run, plan, inputs)


def _outputs(run: Run, plan: TrainPlan, inputs: Tensor) -> Tensor:
    with torch.autocast(inputs.device.type, torch.bfloat16, enabled=plan.precision == "bfloat16"):
        return run.forward(inputs).float()


def _last_error(task: Task, outputs: Tensor, prompts: Prompts) -> tuple[Tensor, Tensor]:
    """Returns the cost of the answers to the last query and that of the best guess, each summed over the batch."""
    answers = task.answer(outputs.index_select(1, prompts.queries))
    return task.cost(answers, prompts)[:, -1].sum(), task.guess(prompts)[:, -1].sum()
