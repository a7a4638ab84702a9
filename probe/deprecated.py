"""Old public names, which work for one version: each says what it is called now, and returns what it returned."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from probe.config import (
    CheckConfig,
    ClaimConfig,
    CompareConfig,
    ConvertConfig,
    EvaluateConfig,
    FitConfig,
    SweepConfig,
    TrainConfig,
)
from probe.processes import ALONE, Processes
from probe.progress import Report, silent

if TYPE_CHECKING:
    from probe.capture import DescribedModel, Finding
    from probe.checkpoints import Checkpoint
    from probe.records import Record


@dataclass(frozen=True)
class Progress:
    """Where a training stands, as `train_model` reports it: steps done of all, and loss and error, rounded."""

    step: int
    steps: int
    loss: float
    error: float


@dataclass(frozen=True)
class Conversion:
    """What `convert_checkpoint` has written."""

    path: Path
    layout: str
    task: str
    context: int
    digest: str
    remarks: tuple[str, ...]


def fit_heads(
    config: FitConfig,
    command: str = "",
    report: Report | None = None,
    models: Sequence[Checkpoint] = (),
    processes: Processes = ALONE,
) -> Record:
    """Returns the record of `probe.fit`."""
    from probe.commands.fit import fit

    _warn("fit_heads", "probe.fit")
    return _record(fit(_at_hand(config, models), command=command, report=report or silent, processes=processes))


def evaluate_models(
    config: EvaluateConfig,
    command: str = "",
    report: Report | None = None,
    models: Sequence[Checkpoint] = (),
    processes: Processes = ALONE,
) -> Record:
    """Returns the record of `probe.evaluate`."""
    from probe.commands.evaluate import evaluate

    _warn("evaluate_models", "probe.evaluate")
    return _record(evaluate(_at_hand(config, models), command=command, report=report or silent, processes=processes))


def compare_models(
    config: CompareConfig, command: str = "", report: Report | None = None, models: Sequence[Checkpoint] = ()
) -> Record:
    """Returns the record of `probe.compare`."""
    from probe.commands.compare import compare

    _warn("compare_models", "probe.compare")
    return _record(compare(_at_hand(config, models), command=command, report=report or silent))


def examine_claim(
    config: ClaimConfig, command: str = "", report: Report | None = None, models: Sequence[Checkpoint] = ()
) -> Record:
    """Returns the record of `probe.claim`."""
    from probe.commands.claim import claim

    _warn("examine_claim", "probe.claim")
    own: Any = models[0] if models else config.ckpt
    return _record(claim(replace(config, ckpt=own), command=command, report=report or silent))


def train_model(
    config: TrainConfig,
    command: str = "",
    progress: Callable[[Progress], None] | None = None,
    processes: Processes = ALONE,
) -> Record:
    """Returns the log of `probe.train`."""
    from probe.commands.train import train

    _warn("train_model", "probe.train")

    def report(text: str, step: int, steps: int) -> None:
        loss, error = (part.partition(" ")[2] or "nan" for part in text.split(", "))
        if progress is not None:
            progress(Progress(step, steps, float(loss), float(error)))

    return _record(train(config, command=command, report=report, processes=processes))


def run_sweep(config: SweepConfig, command: str = "", report: Report | None = None) -> Record:
    """Returns the record of `probe.sweep`."""
    from probe.commands.sweep import sweep

    _warn("run_sweep", "probe.sweep")
    return _record(sweep(config, command=command, report=report or silent))


def check_checkpoint(config: CheckConfig) -> list[Finding]:
    """Returns the findings of `probe.check` on a checkpoint."""
    from probe.commands.check import check

    _warn("check_checkpoint", "probe.check")
    return check(replace(config, kernels=False)).findings


def convert_checkpoint(config: ConvertConfig, command: str = "") -> Conversion:
    """Returns the description of the checkpoint that `probe.convert` has written."""
    from probe.commands.convert import convert

    _warn("convert_checkpoint", "probe.convert")
    done = convert(config, command=command)
    return Conversion(done.path, done.layout, done.task, done.context, done.digest, tuple(done.remarks))


def make_checkpoint(
    stream: DescribedModel,
    name: str,
    task: str = "",
    *,
    context: int,
    dim: int | None = None,
    description: Mapping[str, Any] | None = None,
) -> Checkpoint:
    """Returns the checkpoint that `probe.from_model` makes."""
    from probe.checkpoints import from_model

    _warn("make_checkpoint", "probe.from_model")
    return from_model(stream, name, task, context=context, dim=dim, description=description)


def evaluate_language(
    config: EvaluateConfig,
    command: str = "",
    report: Report | None = None,
    models: Sequence[Checkpoint] = (),
    tokenizer: Any = None,
) -> Record:
    """Returns the record of `probe.evaluate` on word-pair tasks."""
    from probe.language import evaluate_language as run

    _warn("evaluate_language", "probe.evaluate")
    return run(_at_hand(config, models, tokenizer), command, report or silent)


def language_layers(
    config: FitConfig,
    command: str = "",
    report: Report | None = None,
    models: Sequence[Checkpoint] = (),
    tokenizer: Any = None,
) -> Record:
    """Returns the record of `probe.fit` on word-pair tasks."""
    from probe.language import language_layers as run

    _warn("language_layers", "probe.fit")
    return run(_at_hand(config, models, tokenizer), command, report or silent)


def _at_hand(config: Any, models: Sequence[Checkpoint], tokenizer: Any = None) -> Any:
    """Returns a configuration with models at hand, and a tokenizer, in the places of names."""
    own = {"ckpt": tuple(models)} if models else {}
    return replace(config, **own, **({} if tokenizer is None else {"tokenizer": tokenizer}))


def _record(result: Record) -> Record:
    from probe.records import Record

    return Record(result.table, result.provenance)


def _warn(old: str, new: str) -> None:
    warnings.warn(f"probe.{old} is called {new} now, and goes with the next version.", DeprecationWarning, stacklevel=3)


OLD: dict[str, Callable[..., Any]] = {
    "check_checkpoint": check_checkpoint,
    "compare_models": compare_models,
    "convert_checkpoint": convert_checkpoint,
    "evaluate_language": evaluate_language,
    "evaluate_models": evaluate_models,
    "examine_claim": examine_claim,
    "fit_heads": fit_heads,
    "language_layers": language_layers,
    "make_checkpoint": make_checkpoint,
    "run_sweep": run_sweep,
    "train_model": train_model,
}
"""The old names."""
