"""Checkpoints set before a task: what does not fit together is refused before any work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch

from probe.checkpoints import Checkpoint
from probe.config import FitConfig
from probe.data import DataTask
from probe.errors import ProbeError
from probe.heads import Head, make_all
from probe.probing.at_site import STREAM, at_site, check_heads_at, heads_at
from probe.probing.draws import FEWEST_SCORED, Pass, Sizes
from probe.probing.experiment import Experiment, check_length, load_all, task_for, trained_context
from probe.probing.memory import check_memory
from probe.probing.own_data import check_numbers
from probe.probing.places import check_places, offset_of
from probe.probing.targets import targets_of
from probe.probing.used_data import check_used
from probe.processes.devices import device_named
from probe.randomness import PromptSource

WIDE = 128  # above this width, contexts default to FEW
FEW = 8


@runtime_checkable
class Setting(Sizes, Protocol):
    """Settings of how models are probed, which fit, compare and claim have in common."""

    @property
    def task(self) -> str | None:
        """The task with its options, or the text that carries data."""

    @property
    def dim(self) -> int | None:
        """Dimension of the inputs x, where the user gave it."""

    @property
    def device(self) -> str:
        """Where the models run."""

    @property
    def kernel(self) -> str:
        """The backend of the selective scan."""


@dataclass(frozen=True)
class Reading:
    """Where heads read a model.

    Attributes:
        site: as `probe.capture.sites.site_named` takes it.
        widest: the most numbers that are read as they are.
        offset: the tokens from a query to the token that is read.
    """

    site: str = STREAM
    widest: int = 0
    offset: int = 0


def prepare(config: FitConfig, models: Sequence[Checkpoint] = ()) -> list[Experiment]:
    """Returns the experiments that settings of `probe fit` describe, one a checkpoint.

    Args:
        models: checkpoints at hand, taken in place of the files that the config names.

    Raises:
        ProbeError: if a checkpoint, the task, a head, a context or a number does not fit, before any work.
    """
    heads = make_all(heads_at(config.site, config.head), config.protocol)
    _check(config, heads)
    found = load_all(config.ckpt, models, config.dim)
    place = Reading(config.site, config.widest, offset_of(config.at))
    return set_before(found, config, heads, parse_contexts(config.context), config.target, place)


def set_before(
    models: Sequence[Checkpoint],
    setting: Setting,
    heads: Sequence[Head],
    contexts: list[int] | None = None,
    target: str = "y",
    place: Reading = Reading(),
) -> list[Experiment]:
    """Returns the models set before a task, one experiment each, once every head suits each of them.

    Args:
        contexts: numbers of examples before the queries; None for all, or of a wide model for eight.
        target: what fitted heads are asked for.
        place: where they read.

    Raises:
        ProbeError: if a model, the task, a head, a context or a number does not fit, before any work.
    """
    _check(setting, heads)
    return [experiment_of(found, setting, heads, contexts, target, place) for found in models]


def _check(setting: Setting, heads: Sequence[Head]) -> None:
    if not heads:
        raise ProbeError("No head was given, but at least one is needed. Add --head linear.")
    if setting.score < FEWEST_SCORED:
        raise ProbeError(
            f"--score {setting.score} was given, but bands need at least {FEWEST_SCORED} prompts. Give more."
        )
    device_named(setting.device)


def experiment_of(
    found: Checkpoint,
    setting: Setting,
    heads: Sequence[Head] = (),
    contexts: list[int] | None = None,
    target: str = "y",
    place: Reading = Reading(),
) -> Experiment:
    """Returns one model set before a task, once every head suits it; see `set_before`."""
    task = task_for(found, setting.task, setting.dim)
    pass_, named = Pass.of(setting, task), setting.task or ""
    if isinstance(task, DataTask):
        longest = max(task.contexts)
    else:
        longest = trained_context([found]) if contexts is None else max(contexts)
    sample = task.draw(PromptSource(pass_.seed, "fit", [0]), longest)
    site = at_site(found.stream, sample, place.site, place.widest, pass_.seed)
    width = found.stream.width if site is None else site.features
    probed = check_places(choose_contexts(contexts, sample.contexts, width), sample, place.offset, contexts)
    chosen = torch.tensor([sample.contexts.index(context) for context in probed])
    device = device_named(setting.device)
    asked = targets_of(target, task, named, longest, seed=pass_.seed, prompts=pass_.prompts, offset=place.offset)
    experiment = Experiment(
        found,
        found.stream,
        task,
        named,
        longest,
        probed,
        chosen,
        device,
        setting.kernel,
        site,
        place.offset,
        tuple(asked),
    )
    for head in heads:
        if head.name in task.references:
            raise ProbeError(
                f"A head is called {head.name}, but so is a learner that is shown beside {named}. Give the head "
                "another name."
            )
        if isinstance(task, DataTask):
            check_numbers(task, setting.prompts, setting.score, _width(head, experiment))
            _check_answered(head, experiment)
        if site is None:
            head.check(experiment, pass_.prompts)
    if isinstance(task, DataTask) and heads:
        widths = [wide for head in heads if (wide := _width(head, experiment)) is not None]
        check_used(task, pass_, longest, chosen, max(widths, default=None))
    if site is not None:
        check_heads_at(site, pass_.prompts)
    check_memory(experiment, heads, pass_)
    check_length(found, task, longest)
    if target != "y" and not any(head.fitted for head in heads):
        raise ProbeError(
            f"--target {target} was given, but of the heads only linear and normed can be asked for it. "
            "Add --head linear, or drop --target."
        )
    unfit = [head.name for head in heads if place.offset and not head.fitted]
    if unfit:
        raise ProbeError(
            f"The head {unfit[0]} was given with --at, but it answers at the queries alone. Drop one of the two."
        )
    return _moved(experiment)


def _width(head: Head, experiment: Experiment) -> int | None:
    """Returns how many numbers a head is fitted on; None where nothing is fitted."""
    if experiment.site is not None:
        return experiment.site.features
    return head.width(experiment.model) if head.fitted else None


def _check_answered(head: Head, experiment: Experiment) -> None:
    if not head.fitted and not experiment.answered:
        raise ProbeError(
            f"The head {head.name} gives the model's own answers, but those are not of the target {experiment.target}: "
            "it is not called y, or has other numbers than the model predicts. Use --head linear."
        )


def same_on(found: Checkpoint, experiment: Experiment) -> Experiment:
    """Returns the same experiment, its task, contexts and prompts, on another checkpoint.

    Raises:
        ProbeError: if the checkpoint reads or predicts something else, or has positions for fewer tokens.
    """
    if found.dim != experiment.checkpoint.dim:
        raise ProbeError(
            f"{found.name} reads {found.dim}-dimensional inputs and {experiment.checkpoint.name} "
            f"{experiment.checkpoint.dim}-dimensional ones, but both are shown the same prompts. Give another model."
        )
    task = task_for(found, experiment.task_name, None)
    check_length(found, task, experiment.longest)
    return _moved(replace(experiment, checkpoint=found, model=found.stream, task=task))


def at_contexts(experiment: Experiment, contexts: Sequence[int]) -> Experiment:
    """Returns the same experiment after other numbers of examples.

    Raises:
        ProbeError: if the task has no query after so many, or the model positions for fewer tokens.
    """
    longest = max(contexts)
    available = experiment.task.draw(PromptSource(0, "fit", [0]), longest).contexts
    probed = choose_contexts(list(contexts), available, experiment.model.width)
    check_length(experiment.checkpoint, experiment.task, longest)
    chosen = torch.tensor([available.index(context) for context in probed])
    return replace(experiment, longest=longest, contexts=probed, chosen=chosen)


def _moved(experiment: Experiment) -> Experiment:
    experiment.checkpoint.model.to(experiment.device)
    experiment.model.use_kernel(experiment.kernel)
    return experiment


def choose_contexts(asked: list[int] | None, available: Sequence[int], width: int) -> list[int]:
    """Returns the numbers of examples to probe at: those asked for, or all, or eight spaced geometrically if wide.

    Raises:
        ProbeError: if the task has no query after so many examples.
    """
    if asked is None:
        if width <= WIDE:
            return list(available)
        last = len(available)
        return [available[place] for place in sorted({round(last ** (i / (FEW - 1))) - 1 for i in range(FEW)})]
    missing = [context for context in asked if context not in available]
    if missing:
        raise ProbeError(
            f"A context of {missing[0]} was given, but the prompts have queries at contexts "
            f"{available[0]} to {available[-1]}. Choose among them."
        )
    return asked


def parse_contexts(text: str) -> list[int] | None:
    """Returns the numbers of examples that a checked text names, in their order, or None for ``all``."""
    return None if text == "all" else sorted({int(part) for part in text.split(",")})
