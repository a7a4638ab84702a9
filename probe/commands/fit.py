"""Fits heads on the residual stream at every block and measures what each block adds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any

import pandas as pd

from probe.checkpoints import Checkpoint
from probe.commands.fit_health import fit_health
from probe.commands.keywords import takes
from probe.config import FitConfig
from probe.errors import ProbeError
from probe.heads import FittedHeads, LinearHeads, make_all
from probe.language import Study, language_layers, study_of
from probe.probing.at_site import STREAM, heads_at
from probe.probing.draws import Pass
from probe.probing.experiment import Experiment, check_same, describe, load_all, notes_on, shape_of
from probe.probing.judged import judged_rows
from probe.probing.measure import CHANCE, measure_each
from probe.probing.own_data import Opened, notes_of, open_data
from probe.probing.prepare import prepare
from probe.probing.results import FitResult
from probe.probing.targets import Target
from probe.processes import ALONE, Processes, only_one
from probe.progress import Report, silent
from probe.records import COLUMNS, versions

USUAL = ("linear", "lens")
"""The heads that are fitted where none is named."""
WITHOUT = "The model's own answers and the lens are left out: they answer no target of these data."
"""The note of a record of data whose target the model does not predict."""
NO_MODEL = "The model's own answers and the lens are left out: kept streams have no read-out."
"""The note of a record of kept streams."""


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
    if config.site != STREAM:
        raise ProbeError(
            f"--site {config.site} was given, but word pairs are read from the stream alone. Give a task of numbers or "
            "symbols, such as linear or induction, or drop --site."
        )
    record = language_layers(config, command, report)
    return FitResult(record.table, record.provenance)


def _fit_numbers(config: FitConfig, command: str, report: Report, processes: Processes) -> FitResult:
    if config.lengths != "none":
        only_one(processes, "--lengths")
        return fit_health(config, command, report)
    opened = open_data(config, config.target, config.streams)
    models = list(opened.models) if opened is not None and opened.models else load_all(config.ckpt, dim=config.dim)
    asked = config if opened is None else _on_data(config, opened, models)
    experiments = prepare(asked, models)
    check_same([experiment.checkpoint for experiment in experiments], processes)
    rows: list[dict[str, Any]] = []
    fitted: dict[str, FittedHeads[Any]] = {}
    units = {"y": experiments[0].task.unit}
    for experiment in experiments:
        targets = experiment.targets
        units |= {target.name: target.unit for target in targets if target.name != "y"}
        found, own = _probe_all(experiment, targets, asked, report, processes)
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
        "notes": _notes(config, experiments, opened),
        "counts": experiments[0].task.counts,
        "units": units if opened is None else units | {experiments[0].target: experiments[0].task.unit},
        "models": {
            experiment.checkpoint.name: describe(experiment.checkpoint, experiment.task, experiment.longest)
            for experiment in experiments
        },
    }
    if opened is not None:
        provenance |= {"task": opened.task.name, "data": opened.task.told}
    sites = {one.checkpoint.name: one.site.described() for one in experiments if one.site is not None}
    provenance |= {"sites": sites} if sites else {}
    heads: FittedHeads[Any] = FittedHeads(fitted, "checkpoint")
    if len(experiments) == 1 and fitted:
        (heads,) = fitted.values()
    return FitResult(table[[*COLUMNS, *further]], provenance, heads if fitted else None)


def _on_data(config: FitConfig, opened: Opened, models: Sequence[Checkpoint]) -> FitConfig:
    """Returns the settings with data as the task, without the lens of the usual heads where it cannot answer."""
    own = all(opened.task.answered_by(shape_of(found)) for found in models)
    head = USUAL[:1] if config.head == USUAL and not own else config.head
    return replace(config, task=opened.text, data=None, streams=None, target="y", head=head)


def _notes(config: FitConfig, experiments: Sequence[Experiment], opened: Opened | None) -> list[str]:
    if opened is None:
        return [note for one in experiments for note in notes_on([one.checkpoint], max(one.contexts))]
    own = [] if experiments[0].answered else [NO_MODEL if opened.models else WITHOUT]
    return own + notes_of(opened.task, config.prompts, config.score)


def _probe_all(
    experiment: Experiment, targets: Sequence[Target], config: FitConfig, report: Report, processes: Processes
) -> tuple[FittedHeads[Any], list[dict[str, Any]]]:
    """Returns the fitted heads of one checkpoint, of several targets by target, and the rows of all heads once."""
    heads = make_all(heads_at(config.site, config.head), config.protocol)
    pass_ = Pass.of(config, experiment.task)
    fitted, scores = measure_each(experiment, heads, pass_, targets, report, processes)
    rows: list[dict[str, Any]] = []
    for (target, head), errors in scores.items():
        own = list(errors.rows(experiment.checkpoint.name, head))
        if config.target == "y":
            own = [row | {"target": experiment.target} for row in own]
        rows += _told(experiment, own, head, fitted[target][head]) if head in fitted[target] else own
    for one in heads:
        if one.overrides("judge"):
            rows += judged_rows(experiment, one, config.seed, report, processes)
    # those on random numbers show what chance is, and read nothing of the model
    kept = {
        target: FittedHeads({name: one.to("cpu") for name, one in found.items() if name != CHANCE})
        for target, found in fitted.items()
    }
    if len(targets) == 1:
        return kept[targets[0].name], rows
    return FittedHeads({target: found for target, found in kept.items() if found}, "target"), rows


def _told(experiment: Experiment, rows: list[dict[str, Any]], head: str, found: LinearHeads) -> list[dict[str, Any]]:
    """Returns a fitted head's rows with the penalty of each, and which of a layer's places it is of."""
    return [
        row | {"penalty": penalty, "head": f"{head}, {cell}" if cell else head}
        for row, penalty, cell in zip(rows, found.penalty.flatten().tolist(), _cells_of(experiment, head), strict=True)
    ]


def _cells_of(experiment: Experiment, head: str) -> list[str]:
    """Returns, for each row of a head, which of a layer's places it is of, in words; nothing where there is one."""
    names = [""] * experiment.layers if experiment.site is None else [cell.name for cell in experiment.site.cells]
    cells = [""] if head == CHANCE else names
    return [cell for cell in cells for _ in experiment.contexts]


STUDIES: dict[Study, Callable[[FitConfig, str, Report, Processes], FitResult]] = {
    "numbers": _fit_numbers,
    "words": _fit_words,
}
"""How heads are fitted, by what the task is about."""
