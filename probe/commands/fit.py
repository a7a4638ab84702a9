"""Fits heads on the residual stream at every block and measures what each block adds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from probe.checkpoints import Checkpoint
from probe.config import FitConfig
from probe.heads import make_all
from probe.language import is_language, language_layers
from probe.probing.draws import Pass
from probe.probing.experiment import Experiment, check_same, describe, notes_on
from probe.probing.judged import judged_rows
from probe.probing.measure import measure
from probe.probing.prepare import prepare
from probe.processes import ALONE, Processes, only_one
from probe.progress import Report, silent
from probe.records import COLUMNS, Record, versions
from probe.tasks.objectives import ZERO


def fit_heads(
    config: FitConfig,
    command: str = "",
    report: Report | None = None,
    models: Sequence[Checkpoint] = (),
    processes: Processes = ALONE,
) -> Record:
    """Fits the chosen heads on every checkpoint and returns one row per model, layer, context, target and head.

    Args:
        models: checkpoints at hand, taken in place of the files that the config names.
        processes: those that run this together; each returns the whole record.

    Raises:
        ProbeError: if a checkpoint, the task, a context or a number of prompts does not fit, before any work.
    """
    if is_language(config.task):
        only_one(processes, f"--task {config.task}")
        return language_layers(config, command, report, models)
    experiments = prepare(config, models)
    check_same([experiment.checkpoint for experiment in experiments], processes)
    rows: list[dict[str, Any]] = []
    for experiment in experiments:
        rows += _probe(experiment, config, report or silent, processes)
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
        "units": {"y": experiments[0].task.unit} | ({} if config.target == "y" else {config.target: ZERO}),
        "models": {
            experiment.checkpoint.name: describe(experiment.checkpoint, experiment.task, experiment.longest)
            for experiment in experiments
        },
    }
    return Record(table[[*COLUMNS, *further]], provenance)


def _probe(experiment: Experiment, config: FitConfig, report: Report, processes: Processes) -> list[dict[str, Any]]:
    heads = make_all(config.head, config.protocol)
    fitted, scores = measure(experiment, heads, Pass.of(config), config.target, report, processes)
    rows = [row for head, errors in scores.items() for row in errors.rows(experiment.checkpoint.name, head)]
    for name, found in fitted.items():
        chosen = [row for row in rows if row["head"] == name]
        for row, penalty in zip(chosen, found.penalty.flatten().tolist(), strict=True):
            row["penalty"] = penalty
    judged = [head for head in heads if head.overrides("judge")]
    return rows + [row for head in judged for row in judged_rows(experiment, head, config.seed, report, processes)]
