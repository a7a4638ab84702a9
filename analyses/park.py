"""Finds the checkpoints of a task by what they say of themselves, and evaluates them, for the Park notebooks.

A checkpoint that is put into checkpoints/ appears in the notebooks' pictures when they are run again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from budget import ROOT, Command, full_or_small, measured
from jaxtyping import Float
from torch import Tensor

from probe import Checkpoint, EvaluateConfig, Record, evaluate, load_checkpoint, make_task
from probe.randomness import PromptSource
from probe.statistics import LayerErrors
from probe.tasks import Prompts, Task

ARCHITECTURES = {
    "transformer": "Transformer",
    "transformer without positions": "Transformer, no positions",
    "mamba": "Mamba",
    "mambaformer": "MambaFormer",
    "standard_hybrid": "standard hybrid",
    "s4": "S4",
    "s4_mamba": "S4-Mamba",
    "gated_deltanet": "Gated DeltaNet",
    "rwkv4": "RWKV-4",
    "mamba2": "Mamba-2",
    "rwkv7": "RWKV-7",
    "deltanet": "DeltaNet",
    "linear_attention": "linear attention",
    "hybrid": "hybrid",
    "lstm": "LSTM",
}
"""What to call the architectures that are compared, in their order; others, such as planted ones, are left out."""
COLOURS = {
    "Mamba": 0,
    "Transformer": 1,
    "MambaFormer": 2,
    "Transformer, no positions": 3,
    "standard hybrid": 4,
    "S4": 5,
    "S4-Mamba": 6,
}
"""The colours of architectures, the same in every picture."""
USUAL_SIZE = 275_000
"""About the parameters of the laptop's models: of several sizes the one nearest to it stands for an architecture."""

SIZES = ROOT / "checkpoints" / "sizes"
"""Where models of several sizes lie that were trained alike."""

Wanted = Callable[[Task], bool]
Answer = Callable[[Task, Prompts], Float[Tensor, "batch query answer"]]


@dataclass(frozen=True)
class Trained:
    """What a checkpoint says of itself.

    Attributes:
        series: its architecture, as pictures call it.
        task: the task it was trained on, with its options.
        context: the largest number of examples it was trained with.
    """

    name: str
    path: str
    series: str
    task: str
    dim: int
    context: int
    parameters: int
    seed: int


@cache
def trained() -> tuple[Trained, ...]:
    """Returns the checkpoints of `ARCHITECTURES`, but for those trained on a fixed pool of functions."""
    return _in(ROOT / "checkpoints")


def of_sizes(base: str) -> tuple[Trained, ...]:
    """Returns the models of several sizes that were trained on a task, equal in all but their widths and rates.

    Args:
        base: the task's name without options.
    """
    return tuple(one for one in _in(SIZES) if one.task.split(":")[0] == base)


def _in(folder: Path) -> tuple[Trained, ...]:
    found = [_described(os.path.relpath(path)) for path in sorted(folder.glob("*.pt"))]
    order = list(ARCHITECTURES.values())
    return tuple(
        sorted((one for one in found if one), key=lambda one: (order.index(one.series), one.seed, one.parameters))
    )


def _described(path: str) -> Trained | None:
    found = load_checkpoint(path)
    about = found.description
    bare = about.get("arch") == "transformer" and about["model"]["positions"] == "none"
    arch = "transformer without positions" if bare else about.get("arch")
    if arch not in ARCHITECTURES or "functions=" in found.task:
        return None
    size = sum(each.numel() for each in found.model.parameters())
    return Trained(
        found.name, path, ARCHITECTURES[arch], found.task, found.dim, found.context, size, int(about["seed"])
    )


def anything(task: Task) -> bool:
    """Returns whether a task is wanted: every one is."""
    return True


def groups(base: str, wanted: Wanted = anything) -> list[tuple[Trained, ...]]:
    """Returns the checkpoints of a task, together those whose options, dimension and context are the same.

    The group with the most architectures comes first, of equal ones that with more checkpoints.

    Args:
        base: the task's name without options.
        wanted: whether a task with its options is meant.
    """
    fitting = [one for one in trained() if one.task.split(":")[0] == base and wanted(make_task(one.task, one.dim or 1))]
    kinds = dict.fromkeys((one.task, one.dim, one.context) for one in fitting)
    found = [tuple(one for one in fitting if (one.task, one.dim, one.context) == kind) for kind in kinds]
    return sorted(found, key=lambda group: (-len({one.series for one in group}), -len(group)))


def usual_size(group: Sequence[Trained]) -> tuple[Trained, ...]:
    """Returns of each architecture the checkpoints, one a training seed, whose size is nearest to the laptop's."""
    distance = {one.name: abs(one.parameters - USUAL_SIZE) for one in group}
    best = {series: min(distance[one.name] for one in group if one.series == series) for series in series_of(group)}
    return tuple(one for one in group if distance[one.name] == best[one.series])


def series_of(group: Sequence[Trained]) -> list[str]:
    """Returns the architectures of checkpoints, each once."""
    return list(dict.fromkeys(one.series for one in group))


def first_group(base: str, wanted: Wanted = anything) -> tuple[Trained, ...]:
    """Returns the checkpoints of a task that a picture shows: of the usual size, and none where none is trained."""
    found = groups(base, wanted)
    return usual_size(found[0]) if found else ()


def names(group: Sequence[Trained]) -> dict[str, str]:
    """Returns what pictures call each checkpoint: its architecture."""
    return {one.name: one.series for one in group}


def paths(group: Sequence[Trained]) -> tuple[str, ...]:
    """Returns the paths of checkpoints."""
    return tuple(one.path for one in group)


def evaluated(
    name: str,
    group: Sequence[Trained],
    stand_in: Checkpoint,
    *,
    command: Command = evaluate,
    learner: tuple[str, ...] = ("none",),
    prompting: tuple[str, ...] = ("standard",),
    task: str = "",
    prompts: int = 1024,
) -> Record:
    """Returns a record of checkpoints, or of a stand-in, for its references, where there is none.

    Args:
        name: of the record.
        task: what they are evaluated on, by default their own task.
    """
    config = asked(group, stand_in, learner, prompting, task, prompts)
    return measured(name, command, config, [] if group else [stand_in])


def asked(
    group: Sequence[Trained],
    stand_in: Checkpoint,
    learner: tuple[str, ...] = ("none",),
    prompting: tuple[str, ...] = ("standard",),
    task: str = "",
    prompts: int = 1024,
) -> EvaluateConfig:
    """Returns how checkpoints, or a stand-in, are evaluated, by default on their own task."""
    return EvaluateConfig(
        ckpt=paths(group),
        task=task or (group[0].task if group else stand_in.task),
        learner=learner,
        prompting=prompting,
        prompts=full_or_small(prompts, 32),
    )


def with_option(task: str, name: str, value: float) -> str:
    """Returns a task's text with one option more."""
    return f"{task}{',' if ':' in task else ':'}{name}={value}"


def lowest_loss(task: Task, prompts: Prompts) -> Float[Tensor, "batch query symbol"]:
    """Returns the logarithm of the true distribution of the next symbol, of one who knows the automaton.

    Where a word must end, letters have no probability; those that leave the state come before the others.
    """
    true, legal = prompts.parameters["distribution"], prompts.parameters["legal"]
    return (true + 1e-9 * legal).index_select(1, prompts.queries).log()


def nearest_key(task: Task, prompts: Prompts) -> Float[Tensor, "batch 1 dim"]:
    """Returns the value of the key that is most like the query, of one who stores every pair."""
    values = prompts.parameters["values"]
    keys, query = prompts.x[:, : values.shape[1]], prompts.x[:, values.shape[1] :]
    chosen = torch.einsum("bpd,bqd->bqp", keys, query).argmax(-1, keepdim=True)
    return values.gather(1, chosen.expand(-1, -1, values.shape[-1]))


KNOWING: Mapping[str, Answer] = {"automaton": lowest_loss, "nearest_key": nearest_key}
"""Who answers from more than a learner sees or without learning, by the head that a record has for it."""


def beside(command: Command, head: str) -> Command:
    """Returns a command whose records have further rows: those of one of `KNOWING`, on the same prompts."""

    def run(config: Any) -> Record:
        record = command(config)
        return Record(pd.concat([record.table, _knowing(record, config, head)], ignore_index=True), record.provenance)

    return run


def _knowing(record: Record, config: Any, head: str) -> pd.DataFrame:
    model, about = next(iter(record.provenance["models"].items()))
    task, context = make_task(config.task, about["dim"] or 1), int(record.table["context"].max())
    prompts = task.draw(PromptSource(config.seed, "score", range(config.prompts)), context)
    answers, numbers = KNOWING[head](task, prompts), range(config.prompts)
    errors = LayerErrors("y", None, 1, prompts.contexts, config.seed)
    errors.add(numbers, task.cost(answers, prompts)[None], task.guess(prompts), prompts.counted)
    metrics = {name: values[None] for name, values in task.metrics(answers, prompts).items()}
    errors.add_metrics(numbers, metrics, prompts.counted)
    return pd.DataFrame(errors.rows(model, head)).assign(prompting="standard", band="prompts")
