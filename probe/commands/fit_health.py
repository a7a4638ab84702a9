"""Measures how healthy a site stays at lengths beyond the trained one; a part of `probe.commands.fit`."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import pandas as pd

from probe.config import FitConfig
from probe.errors import ProbeError
from probe.heads import FittedHeads, LinearHeads
from probe.probing.at_site import STREAM
from probe.probing.draws import Pass
from probe.probing.experiment import Experiment, describe, load_all, notes_on
from probe.probing.health import health_rows, lengths_of, measure_health
from probe.probing.measure import asked_of
from probe.probing.prepare import prepare
from probe.probing.results import FitResult
from probe.probing.targets import Target
from probe.progress import Report
from probe.records import versions
from probe.records.store import HEALTH_COLUMNS
from probe.tasks.objectives import ZERO


def fit_health(config: FitConfig, command: str, report: Report) -> FitResult:
    """Fits heads at every length and freezes those of the trained one; the table has a row a number.

    Raises:
        ProbeError: if a checkpoint, the site or the lengths do not fit, before any work.
    """
    if config.site == STREAM:
        raise ProbeError(
            "--lengths was given without a site, but it is a site's health that is measured. Add --site state."
        )
    if config.context != "all":
        raise ProbeError(
            f"--context {config.context} was given with --lengths, which says after how many examples heads "
            "are fitted. Drop --context."
        )
    rows: list[dict[str, Any]] = []
    fitted: dict[str, FittedHeads[LinearHeads]] = {}
    models: dict[str, Any] = {}
    sites: dict[str, Any] = {}
    units: dict[str, str] = {}
    notes: list[str] = []
    for found in load_all(config.ckpt, dim=config.dim):
        lengths = lengths_of(config.lengths, found.context)
        at_lengths = replace(config, context=",".join(map(str, lengths)))
        (experiment,) = prepare(at_lengths, [found])
        target = _one_target(experiment, config.target, Pass.of(config))
        measured = measure_health(experiment, Pass.of(config), target, found.context, report)
        rows += health_rows(measured, experiment, target.name)
        fitted[found.name] = FittedHeads({"linear": measured.heads})
        models[found.name] = describe(found, experiment.task, experiment.longest)
        sites |= {found.name: experiment.site.described()} if experiment.site is not None else {}
        units = {target.name: ZERO, "y": experiment.task.unit}
        notes += notes_on([found], max(lengths))
    provenance = {
        "kind": "health",
        "command": command,
        "config": asdict(config),
        "versions": versions(),
        "notes": notes,
        "counts": experiment.task.counts,
        "units": units,
        "models": models,
        "sites": sites,
    }
    return FitResult(pd.DataFrame(rows)[HEALTH_COLUMNS], provenance, FittedHeads(fitted, "checkpoint"))


def _one_target(experiment: Experiment, text: str, pass_: Pass) -> Target:
    """Returns the target that is asked for.

    Raises:
        ProbeError: if there are several.
    """
    found = asked_of(experiment, text, pass_)
    if len(found) > 1:
        raise ProbeError(
            f"{len(found)} targets were given with --lengths, which is measured for one. Ask for them one by one."
        )
    return found[0]
