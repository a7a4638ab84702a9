"""A checkpoint set before a task: whether they fit, and what a figure needs to know of the pair."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor

from probe import checkpoint, tasks
from probe.checkpoint import Checkpoint
from probe.errors import ProbeError
from probe.learners import Learner, run
from probe.tasks import Prompts, Shape, Task

RESIDUALS = {"pre": "pre-norm", "post": "post-norm", "none": "recurrent, without a residual"}


def load_all(names: Sequence[str]) -> list[Checkpoint]:
    """Returns checkpoints that a record can tell apart.

    Raises:
        ProbeError: if none is given, one cannot be read, or two share a name.
    """
    if not names:
        raise ProbeError("No checkpoint was given, but one is needed. Add --ckpt FILE.")
    stems = [checkpoint.find(name).stem for name in names]
    if len(set(stems)) < len(stems):
        raise ProbeError(f"The checkpoints {', '.join(stems)} share a name. Rename one, or drop the repeated one.")
    return [checkpoint.load(name) for name in names]


def task_for(found: Checkpoint, text: str, dim: int | None) -> Task:
    """Returns the task that a text names, in the checkpoint's dimension.

    Args:
        dim: the dimension the user gave, or None.

    Raises:
        ProbeError: if the checkpoint has another dimension, or reads and predicts something else than the task.
    """
    settings = found.model.config
    if dim is not None and dim != found.dim:
        raise ProbeError(
            f"{found.name} reads {found.dim}-dimensional inputs, but --dim {dim} was given. "
            "Drop --dim to use the checkpoint's."
        )
    task = tasks.make(text, found.dim)
    shape = Shape(0 if settings.symbols else settings.dim, settings.outputs, settings.symbols)
    if task.shape != shape:
        raise ProbeError(
            f"{found.name} {shape}, but --task {text} {task.shape}. Give a task of the checkpoint's shape, such "
            f"as {found.task}."
        )
    return task


def check_length(found: Checkpoint, task: Task, context: int) -> None:
    """Raises `ProbeError` where learned positions do not reach to a number of examples."""
    settings = found.model.config
    if settings.positions == "learned" and task.length(context) > settings.slots:
        raise ProbeError(
            f"A context of {context} was given, which takes {task.length(context)} tokens, but {found.name} has "
            f"learned positions for {settings.slots} tokens. Ask for a shorter context or train with a longer one."
        )


def learned(learner: Learner, prompts: Prompts) -> Float[Tensor, "batch query 1"]:
    """Returns a learner's answers to the queries, from the examples before each and what the task tells of them."""
    noise, clean = prompts.parameters.get("noise"), prompts.parameters.get("clean")
    return run(learner, prompts.x, prompts.y, prompts.contexts, noise, clean)[..., None]


def describe(found: Checkpoint, task: Task, context: int) -> dict[str, Any]:
    """Returns what a figure needs to know of a model: its blocks, and parameters and FLOPs up to each layer.

    Args:
        context: the number of examples that FLOPs are counted at.
    """
    model = found.model
    return {
        "arch": found.description.get("arch", model.config.layout),
        "layout": model.config.layout,
        "letters": model.letters,
        "blocks": len(model.blocks),
        "block": " and ".join(dict.fromkeys(RESIDUALS[name] for name in model.residuals)),
        "width": model.config.width,
        "dim": found.dim,
        "context": found.context,
        "task": found.task,
        "seed": found.description.get("seed"),
        "step": found.description.get("step"),
        "training_flops": found.description.get("training_flops"),
        "digest": found.digest,
        "cumulative_parameters": model.cumulative_parameters(),
        "cumulative_flops": model.cumulative_flops(task.length(context)),
    }
