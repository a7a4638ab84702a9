"""Data and kept streams in place of a task: opened before any work, and what is measured beside the error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from probe import checkpoints, data
from probe.capture import StoredModel
from probe.checkpoints import Checkpoint
from probe.checkpoints.huggingface import tokenizer_of
from probe.data import SHARE, Data, DataTask, RealData, Streams, weights_of
from probe.errors import ProbeError
from probe.probing.draws import FEWEST_SCORED
from probe.probing.experiment import shape_of
from probe.randomness import Purpose
from probe.registries import ObjectText
from probe.statistics import LayerErrors
from probe.tasks import Prompts, Task
from probe.text import line


@runtime_checkable
class Asking(Protocol):
    """Settings that may name data in place of a task."""

    @property
    def ckpt(self) -> tuple[str, ...]:
        """The checkpoints."""

    @property
    def task(self) -> str | None:
        """The task with its options."""

    @property
    def data(self) -> str | None:
        """A file or folder of data, or the text that carries them."""

    @property
    def seed(self) -> int:
        """Of the split."""

    @property
    def tokenizer(self) -> str | None:
        """What reads text, where the checkpoint brings no tokenizer."""


@dataclass(frozen=True, eq=False)
class Opened:
    """What heads are fitted on where no task is named.

    Attributes:
        task: the data as a task.
        text: the same as settings carry it.
        models: a stand-in for the model, where its streams were kept.
    """

    task: DataTask
    text: ObjectText
    models: tuple[Checkpoint, ...] = ()


def open_data(asking: Asking, target: str | None = "y", streams: str | None = None) -> Opened | None:
    """Returns the data or kept streams that settings name in place of a task, after a first pass over them.

    Raises:
        ProbeError: if neither is named nor a task, or both are, or they cannot be right.
    """
    if asking.data is None and streams is None:
        if asking.task is None:
            raise ProbeError("No task was given, but heads need prompts. Add --task NAME, or --data FILE.")
        return None
    named = "--data" if streams is None else "--streams"
    if asking.task is not None:
        raise ProbeError(
            f"{named} was given beside --task {asking.task}, but prompts come from one of them. Drop one; pairs of "
            "words by --data go with a language task."
        )
    given = _data(asking.data) if asking.data is not None else None
    if streams is not None:
        if asking.ckpt:
            raise ProbeError("--streams was given beside --ckpt, but kept streams need no model. Drop one.")
        kept = _streams(streams)
        task = kept.task(target, asking.seed, given)
        model = StoredModel(kept.layers, kept.width, kept.about)
        found = checkpoints.from_model(model, line(kept.about.get("model") or kept.name), context=0)
        found = replace(found, digest=line(kept.about.get("digest") or found.digest))
        return Opened(task, ObjectText(task.name, task), (found,))
    assert given is not None, "neither data nor streams"
    task = given.task(target, asking.seed, _tokenizer(asking, given))
    return Opened(task, ObjectText(task.name, task))


def _data(named: str) -> Data:
    if isinstance(named, ObjectText) and isinstance(named.given, Data):
        return named.given
    return data.read(named)


def _streams(named: str) -> Streams:
    if isinstance(named, ObjectText) and isinstance(named.given, Streams):
        return named.given
    return data.open_streams(named)


def _tokenizer(asking: Asking, given: Data) -> Any:
    """Returns the tokenizer that was given, or that of the only checkpoint, where data are text; else None."""
    if "text" not in next(given.source.parts(), {}):
        return None
    if isinstance(asking.tokenizer, ObjectText):
        return asking.tokenizer.given
    if asking.tokenizer:
        return tokenizer_of(asking.tokenizer)
    if len(asking.ckpt) != 1:
        raise ProbeError(
            f"{given.name} has text and {len(asking.ckpt)} checkpoints were given, but each may read text in its own "
            "way. Give one checkpoint, or --tokenizer, or token ids as inputs."
        )
    (name,) = asking.ckpt
    place = None if isinstance(name, ObjectText) else checkpoints.find(name)
    return tokenizer_of(str(place)) if place is not None and Path(place).is_dir() else None


def check_numbers(task: DataTask, prompts: int, score: int, width: int | None) -> None:
    """Refuses data of which too few rows stand on a side.

    Args:
        width: of the widest stream that heads are fitted on; None where none is.

    Raises:
        ProbeError: if there are too few.
    """
    if min(score, task.available("score")) < FEWEST_SCORED:
        raise ProbeError(
            f"{task.name} has {task.available('score')} prompts to score on, but bands need at least {FEWEST_SCORED}. "
            "Give more prompts."
        )
    units = task.survey.units["score"]
    if len(units) and len(set(units.tolist())) < FEWEST_SCORED // 4:
        raise ProbeError(
            f"{task.name} has {len(set(units.tolist()))} groups to score on, but bands that resample groups need at "
            f"least {FEWEST_SCORED // 4}. Give more groups."
        )
    needed = 0 if width is None else 2 * (width + 1)
    used = min(prompts, task.available("fit"))
    if used < needed:
        raise ProbeError(
            f"{used} of the {task.available('fit')} prompts of {task.name} that are to fit on may be used, but "
            f"a linear head on a stream {width} wide needs at least {needed}. Give more prompts."
        )


def check_answered(task: DataTask, models: Sequence[Checkpoint], what: str) -> None:
    """Refuses data whose target a model's own predictions do not answer.

    Args:
        what: the command, which measures them.

    Raises:
        ProbeError: if there is such a model.
    """
    for found in models:
        if not task.answered_by(shape_of(found)):
            outputs = found.stream.description.outputs
            raise ProbeError(
                f"{what} measures the models' own answers, but {found.name} predicts {outputs} numbers a token and the "
                f"target {task.target} of {task.name} has {task.outputs}, or is not called y. Use probe fit."
            )


def notes_of(task: DataTask, prompts: int, score: int) -> list[str]:
    """Returns a note where data have more prompts than the settings let be used."""
    used: list[tuple[Purpose, int, str]] = [("fit", prompts, "prompts"), ("score", score, "score")]
    return [
        f"Of the {task.available(purpose)} prompts to {purpose} on the first {asked} were used; --{flag} takes more."
        for purpose, asked, flag in used
        if task.available(purpose) > asked
    ]


def units_of(task: Task, purpose: Purpose, numbers: range) -> range | list[int]:
    """Returns what bands resample: of data their groups, else the prompts' own numbers."""
    return task.units(purpose, numbers) if isinstance(task, DataTask) else numbers


def share_of(task: Task, prompts: Prompts) -> Tensor | None:
    """Returns how much each prompt of data counts, [batch, 1]; None where all count once."""
    return weights_of(prompts) if isinstance(task, DataTask) and SHARE in prompts.parameters else None


def add_beside(errors: LayerErrors, task: Task, units: range | list[int], answer: Tensor, prompts: Prompts) -> None:
    """Adds what is measured of data beside the error: R² of real numbers, the balanced accuracy of categories."""
    if not isinstance(task, DataTask):
        return
    if isinstance(task, RealData):
        errors.add_moments(units, prompts.targets, prompts.counted * weights_of(prompts))
    for name, (kind, numerator, denominator) in task.beside(answer, prompts).items():
        if name not in errors.means:
            errors.means[name] = kind(tuple(numerator.shape[1:]), seed=errors.ratio.seed)
        errors.means[name].update(units, numerator, denominator)
