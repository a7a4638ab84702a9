"""Measures error against the number of in-context examples, for models and learners on the same prompts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from probe import learners
from probe.capture import at_queries
from probe.checkpoints import Checkpoint
from probe.commands.keywords import takes
from probe.config import EvaluateConfig
from probe.data import DataTask
from probe.errors import ProbeError
from probe.language import Study, evaluate_language, study_of
from probe.probing.draws import Pass
from probe.probing.experiment import (
    at_once,
    by_seed,
    check_length,
    check_same,
    describe,
    load_all,
    notes_on,
    side_name,
    task_for,
    trained_context,
)
from probe.probing.learned import learned
from probe.probing.own_data import Opened, add_beside, check_answered, check_numbers, open_data, share_of, units_of
from probe.probing.results import EvaluateResult
from probe.probing.used_data import check_used
from probe.processes import ALONE, Processes, merge_each, only_one
from probe.processes.devices import device_named
from probe.progress import Report, silent
from probe.randomness import PromptSource, Source
from probe.records import COLUMNS, Record, versions
from probe.statistics import FEWEST as FEWEST_SEEDS
from probe.statistics import LayerErrors, seed_band
from probe.tasks import Prompts, Task
from probe.tasks.chain_of_thought import ChainOfThought
from probe.tasks.prompting import Replaced, make_prompting
from probe.tasks.prompts import only

FEWEST = 32
DENSE = 40  # contexts up to here are all taken where each costs a pass or a fit; beyond, STEPS an octave
STEPS = 4


@dataclass(frozen=True)
class Plan:
    """What is evaluated on what: checked before any work."""

    models: list[Checkpoint]
    task: Task
    context: int
    indices: list[int]
    learners: dict[str, learners.Learner]
    device: torch.device


@takes(EvaluateConfig)
def evaluate(
    config: EvaluateConfig, *, command: str = "", report: Report = silent, processes: Processes = ALONE
) -> EvaluateResult:
    """Measures errors; the table has a row a prompting style, model or learner, and number of examples.

    Every model and learner sees the same prompts. A model's rows have the head ``model``; a learner's stand under
    every model, with its name as the head and an empty layer. Ten checkpoints or more that differ in their seed alone
    have further rows, their mean with its band over seeds, where ``band`` says so.

    Args:
        command: what was typed, for the record.
        report: called as the work goes on.
        processes: those that run this together; each returns the whole result.

    Raises:
        ProbeError: if a checkpoint, the task, a style, a learner or a number does not fit, before any work.
    """
    record = STUDIES[study_of(config.task)](config, command, report, processes)
    return EvaluateResult(record.table, record.provenance)


def _evaluate_words(config: EvaluateConfig, command: str, report: Report, processes: Processes) -> Record:
    only_one(processes, f"--task {config.task}")
    return evaluate_language(config, command, report)


def _evaluate_numbers(config: EvaluateConfig, command: str, report: Report, processes: Processes) -> Record:
    opened = open_data(config)
    given, config = config, config if opened is None else _on_data(config, opened)
    plan = prepare(config)
    check_same(plan.models, processes)
    rows: list[dict[str, Any]] = []
    for style in config.prompting:
        rows += _evaluate(plan, style, config, report, processes)
    table = pd.DataFrame(rows).assign(band="prompts")
    table = pd.concat([table, *_over_seeds(table, plan)], ignore_index=True)
    provenance = {
        "kind": "evaluate",
        "command": command,
        "config": asdict(given),
        "versions": versions(),
        "processes": processes.count,
        "notes": [] if opened is not None else notes_on(plan.models, plan.context),
        "counts": plan.task.counts,
        "units": {"y": plan.task.unit},
        "models": {found.name: describe(found, plan.task, plan.context) for found in plan.models},
    }
    if opened is not None:
        provenance |= {"task": opened.task.name, "data": opened.task.told}
    first = [*COLUMNS, "prompting", "median", "band"]
    return Record(table[[*first, *(name for name in table.columns if name not in first)]], provenance)


def _on_data(config: EvaluateConfig, opened: Opened) -> EvaluateConfig:
    """Returns the settings with data as the task, of which no more prompts are asked than there are.

    Raises:
        ProbeError: if the models do not answer the data's target, or prompts were to be drawn in another style.
    """
    check_answered(opened.task, load_all(config.ckpt, dim=config.dim), "probe evaluate")
    check_numbers(opened.task, 0, max(config.prompts, FEWEST), None)
    if config.prompting != ("standard",) or config.learner not in (("usual",), ("none",)) or config.context is not None:
        raise ProbeError(
            "--data was given with --prompting, --learner or --context, but data have given rows and are no pairs. "
            "Drop these flags."
        )
    prompts = min(config.prompts, opened.task.available("score"))
    pass_ = Pass(0, prompts, config.seed, config.batch)
    if config.prompts >= FEWEST:
        check_used(opened.task, pass_, max(opened.task.contexts), torch.arange(len(opened.task.contexts)), None)
    return replace(config, task=opened.text, data=None, learner=("none",), prompts=prompts)


STUDIES: dict[Study, Callable[[EvaluateConfig, str, Report, Processes], Record]] = {
    "numbers": _evaluate_numbers,
    "words": _evaluate_words,
}
"""How models are evaluated, by what the task is about."""


def prepare(config: EvaluateConfig) -> Plan:
    """Loads the checkpoints and refuses, before any work, what does not fit together."""
    if config.prompts < FEWEST:
        raise ProbeError(f"--prompts {config.prompts} was given, but bands need at least {FEWEST}. Give more.")
    models = load_all(config.ckpt, dim=config.dim)
    task = task_for(models[0], config.task, config.dim)
    for found in models[1:]:
        if found.dim != models[0].dim:
            raise ProbeError(
                f"{found.name} reads {found.dim}-dimensional inputs and {models[0].name} {models[0].dim}-dimensional "
                "ones, but the same prompts are shown to both. Evaluate them apart."
            )
        task_for(found, config.task, config.dim)
    if isinstance(task, DataTask):
        context = max(task.contexts)
    else:
        context = trained_context(models) if config.context is None else config.context
    if context < 1 and not isinstance(task, DataTask):
        raise ProbeError(f"--context {context} was given, but at least 1 is needed. Give a larger number.")
    device = device_named(config.device)
    for found in models:
        check_length(found, task, context)
        found.model.to(device)
        found.stream.use_kernel(config.kernel)
    for style in config.prompting:
        _check_style(style, task, config.task or "")
    known = _learners(config, task)
    sample = task.draw(PromptSource(config.seed, "score", [0]), context)
    if known and sample.y.ndim != 2:
        raise ProbeError(
            f"Learners were named, but they predict one number from pairs, and {config.task} has none. Drop --learner."
        )
    indices = [] if isinstance(task, DataTask) else choose_indices(config.index, context)
    return Plan(models, task, context, indices, known, device)


def choose_indices(text: str, context: int) -> list[int]:
    """Returns the numbers of examples at which a pass or a fit is made, of a checked text.

    Raises:
        ProbeError: if a number is larger than the context.
    """
    if text == "all":
        return list(range(context + 1))
    if text == "auto":
        chosen, place = set(range(min(context, DENSE) + 1)), float(DENSE)
        while place < context:
            place *= 2 ** (1 / STEPS)
            chosen.add(min(round(place), context))
        return sorted(chosen)
    indices = sorted({int(part) for part in text.split(",")})
    if indices[-1] > context:
        raise ProbeError(f"--index {text} was given, but numbers from 0 to {context} are needed. Correct it.")
    return indices


def _check_style(style: str, task: Task, text: str) -> None:
    if style == "standard" or (style == "recursive" and isinstance(task, ChainOfThought)):
        return
    if style == "recursive":
        raise ProbeError(f"The style recursive was asked for, but it suits chain_of_thought and not {text}. Drop it.")
    make_prompting(style)
    if not task.linear:
        raise ProbeError(
            f"The prompting style {style} was asked for, but it needs a task whose y is w.x, and {text} is none. "
            "Use --prompting standard."
        )


def _learners(config: EvaluateConfig, task: Task) -> dict[str, learners.Learner]:
    names: Sequence[str] = config.learner
    if tuple(names) == ("none",):
        return {}
    if tuple(names) == ("usual",):
        names = task.references
    return {str(name): learners.make(name) for name in names}


class _Scores:
    """The errors and the costs, by the number of a batch's first prompt, of one model or learner under one style."""

    def __init__(self, layers: Sequence[int] | None, blocks: int, contexts: Sequence[int], seed: int) -> None:
        self.errors = LayerErrors("y", layers, blocks, contexts, seed)
        self.costs: dict[int, Tensor] = {}
        self.guesses: dict[int, Tensor] = {}

    def add(self, numbers: range, answers: Tensor, task: Task, prompts: Prompts, logits: bool) -> None:
        """Adds answers [batch, context, answer], which of symbols may be logits or not."""
        cost, guess = task.cost(answers, prompts), task.guess(prompts)
        units, share = units_of(task, "score", numbers), share_of(task, prompts)
        self.errors.add(units, cost[None], guess, prompts.counted, share)
        metrics = task.metrics(answers, prompts, logits=logits)
        further = {name: values[None] for name, values in metrics.items()}
        self.errors.add_metrics(units, further, prompts.counted, share)
        add_beside(self.errors, task, units, answers[None], prompts)
        self.costs[numbers[0]] = cost.where(prompts.counted, torch.nan)
        self.guesses[numbers[0]] = guess.where(prompts.counted, torch.nan)

    def merge(self, other: _Scores) -> _Scores:
        """Returns the scores of both, each prompt's in its place."""
        merged = copy(self)
        merged.errors = self.errors.merge(other.errors)
        merged.costs, merged.guesses = self.costs | other.costs, self.guesses | other.guesses
        return merged

    def rows(self, model: str, head: str, style: str) -> list[dict[str, Any]]:
        """Returns a record's rows; the median is that of the prompts' costs, in units of the mean guess."""
        costs, guesses = (torch.cat([of[first] for first in sorted(of)]) for of in (self.costs, self.guesses))
        zero = guesses.nanmean(0)
        # where knowing nothing costs nothing there is no unit, as for the error
        median = (costs.nanmedian(0).values / zero).where(zero > 0, torch.nan)
        rows = list(self.errors.rows(model, head))
        return [row | {"prompting": style, "median": value} for row, value in zip(rows, median.tolist(), strict=True)]


@torch.no_grad()
def _evaluate(
    plan: Plan, style: str, config: EvaluateConfig, report: Report, processes: Processes
) -> list[dict[str, Any]]:
    scores: dict[tuple[str, str], _Scores] = {}
    for first in processes.deal(range(0, config.prompts, config.batch)):
        numbers = range(first, min(first + config.batch, config.prompts))
        drawn = _draw(plan, style, PromptSource(config.seed, "score", numbers))
        for found in plan.models:
            blocks = len(found.stream.description.letters)
            answers, asked = _answers(found, drawn, plan, style)
            kept = scores.setdefault((found.name, "model"), _Scores([blocks], blocks, asked.contexts, config.seed))
            kept.add(numbers, answers, plan.task, asked, logits=True)
        for name, learner in plan.learners.items():
            answers, asked = _learned(learner, drawn, plan)
            kept = scores.setdefault(("", name), _Scores(None, 1, asked.contexts, config.seed))
            kept.add(numbers, answers, plan.task, asked, logits=False)
        report(style, numbers.stop, config.prompts)
    scores = processes.merged(scores, merge_each, dict)
    rows: list[dict[str, Any]] = []
    for found in plan.models:
        rows += scores[found.name, "model"].rows(found.name, "model", style)
        for name in plan.learners:
            rows += scores["", name].rows(found.name, name, style)
    return rows


def _draw(plan: Plan, style: str, source: Source) -> Prompts | Replaced:
    if style in ("standard", "recursive"):
        return plan.task.draw(source, plan.context)
    return make_prompting(style).draw(plan.task, source, plan.context)


def _answers(found: Checkpoint, drawn: Prompts | Replaced, plan: Plan, style: str) -> tuple[Tensor, Prompts]:
    """Returns a model's answers [batch, query, answer] and the queries they answer: all in one pass where possible."""

    def run(tokens: Tensor) -> Tensor:
        parts = torch.split(tokens, at_once(tokens.shape[1]))
        return torch.cat([found.stream.run(part.to(plan.device)).cpu() for part in parts])

    if isinstance(drawn, Replaced):
        each = [plan.task.answer(run(drawn.tokens(index))[:, -1]) for index in plan.indices]
        return torch.stack(each, dim=1), drawn.asked(plan.indices)
    if style == "recursive" and isinstance(plan.task, ChainOfThought):
        return plan.task.recursive(run, drawn, plan.indices), only(drawn, torch.tensor(plan.indices))
    return plan.task.answer(at_queries(run(drawn.inputs), drawn.queries)), drawn


def _learned(learner: learners.Learner, drawn: Prompts | Replaced, plan: Plan) -> tuple[Tensor, Prompts]:
    """Returns a learner's answers [batch, query, 1] and the queries they answer."""
    if isinstance(drawn, Replaced):
        everything = learners.Examples(drawn.x_context, drawn.y_context)
        each = [learner.predict(everything.first(index), drawn.x_query[:, index]) for index in plan.indices]
        return torch.stack(each, dim=1)[..., None], drawn.asked(plan.indices)
    places = [place for place, context in enumerate(drawn.contexts) if context in set(plan.indices)]
    asked = only(drawn, torch.tensor(places))
    return learned(learner, asked), asked


def _over_seeds(table: pd.DataFrame, plan: Plan) -> list[pd.DataFrame]:
    """Returns rows of the mean over checkpoints that differ in their seed alone, where there are enough."""
    groups = [[plan.models[place] for place in group] for group in by_seed(plan.models)]
    return [_mean_rows(table, group) for group in groups if len(group) >= FEWEST_SEEDS]


def _mean_rows(table: pd.DataFrame, group: Sequence[Checkpoint]) -> pd.DataFrame:
    own = table[table["model"].isin([found.name for found in group]) & (table["head"] == "model")]
    grid = own.pivot(index=["prompting", "context"], columns="model", values="error")
    first = own[own["model"] == group[0].name].set_index(["prompting", "context"]).loc[grid.index].reset_index()
    mean, low, high = seed_band(grid.to_numpy().T)
    own_alone = {column: np.nan for column in first.columns if column not in (*COLUMNS, "prompting", "band")}
    name = side_name(group)
    return first.assign(model=name, error=mean, low=low, high=high, mse=np.nan, band="seeds", **own_alone)
