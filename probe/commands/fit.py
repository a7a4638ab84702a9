"""Fits heads on the residual stream at every block and measures what each block adds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from probe.commands.keywords import takes
from probe.config import FitConfig
from probe.heads import FittedHeads, LinearHeads, make_all
from probe.language import Study, language_layers, study_of
from probe.probing.draws import Pass
from probe.probing.experiment import Experiment, check_same, describe, notes_on
from probe.probing.judged import judged_rows
from probe.probing.measure import CHANCE, asked_of, measure
from probe.probing.prepare import prepare
from probe.probing.results import FitResult
from probe.probing.targets import Target
from probe.processes import ALONE, Processes, only_one
from probe.progress import Report, silent
from probe.records import COLUMNS, versions

CELL = ("layer", "context", "target", "head")
"""What tells the rows of a model apart."""


@takes(FitConfig)
def fit(config: FitConfig, *, command: str = "", report: Report = silent, processes: Processes = ALONE) -> FitResult:
    """Fits the chosen heads on every checkpoint; the table has a row a model, layer, context, target and head.

    Args:
        command: what was typed, for the record.
        report: called as the work goes on.
        processes: those that run this together; each returns the whole result.

    Raises:
        ProbeError: if a checkpoint, the task, a context or a number of prompts does not fit, before any work.
    """
    return STUDIES[study_of(config.task)](config, command, report, processes)


def _fit_words(config: FitConfig, command: str, report: Report, processes: Processes) -> FitResult:
    only_one(processes, f"--task {config.task}")
    record = language_layers(config, command, report)
    return FitResult(record.table, record.provenance)


def _fit_numbers(config: FitConfig, command: str, report: Report, processes: Processes) -> FitResult:
    experiments = prepare(config)
    check_same([experiment.checkpoint for experiment in experiments], processes)
    rows: list[dict[str, Any]] = []
    fitted: dict[str, FittedHeads[Any]] = {}
    units = {"y": experiments[0].task.unit}
    for experiment in experiments:
        targets = asked_of(experiment, config.target, Pass.of(config))
        units |= {target.name: target.unit for target in targets if target.name != "y"}
        found, own = _probe_all(experiment, targets, config, report, processes)
        rows += own
        fitted |= {experiment.checkpoint.name: found} if found else {}
    table = pd.DataFrame(rows)
    further = [name for name in table.columns if name not in COLUMNS]
    provenance = {
        "kind": "fit",
        "command": command,
        "config": asdict(config),
        "versions": versions(),
        "processes": processes.count,
        "notes": [
            note for experiment in experiments for note in notes_on([experiment.checkpoint], max(experiment.contexts))
        ],
        "units": units,
        "models": {
            experiment.checkpoint.name: describe(experiment.checkpoint, experiment.task, experiment.longest)
            for experiment in experiments
        },
    }
    heads: FittedHeads[Any] = FittedHeads(fitted, "checkpoint")
    if len(experiments) == 1 and fitted:
        (heads,) = fitted.values()
    return FitResult(table[[*COLUMNS, *further]], provenance, heads if fitted else None)


def _probe_all(
    experiment: Experiment, targets: Sequence[Target], config: FitConfig, report: Report, processes: Processes
) -> tuple[FittedHeads[Any], list[dict[str, Any]]]:
    """Returns the fitted heads of one checkpoint, of several targets by target, and the rows of all heads once."""
    found: dict[str, FittedHeads[LinearHeads]] = {}
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for target in targets:
        found[target.name], own = _probe(experiment, target, config, report, processes)
        rows = {tuple(row[name] for name in CELL): row for row in own} | rows
    kept = {name: heads for name, heads in found.items() if heads}
    return (FittedHeads(kept, "target") if len(targets) > 1 else found[targets[0].name]), list(rows.values())


def _probe(
    experiment: Experiment, target: Target, config: FitConfig, report: Report, processes: Processes
) -> tuple[FittedHeads[LinearHeads], list[dict[str, Any]]]:
    """Returns the fitted heads of one checkpoint, and the rows of all heads."""
    heads = make_all(config.head, config.protocol)
    fitted, scores = measure(experiment, heads, Pass.of(config), target, report, processes)
    rows = [row for head, errors in scores.items() for row in errors.rows(experiment.checkpoint.name, head)]
    for name, found in fitted.items():
        chosen = [row for row in rows if row["head"] == name]
        for row, penalty in zip(chosen, found.penalty.flatten().tolist(), strict=True):
            row["penalty"] = penalty
    for head in heads:
        if head.overrides("judge"):
            rows += judged_rows(experiment, head, config.seed, report, processes)
    # those on random numbers show what chance is, and read nothing of the model
    return FittedHeads({name: found.to("cpu") for name, found in fitted.items() if name != CHANCE}), rows


STUDIES: dict[Study, Callable[[FitConfig, str, Report, Processes], FitResult]] = {
    "numbers": _fit_numbers,
    "words": _fit_words,
}
"""How heads are fitted, by what the task is about."""
