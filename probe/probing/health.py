"""Whether a site stays what it was at the trained length: its norm, its memory, and what frozen heads read of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from probe.capture.sites import capture_site, half_memory, influences
from probe.capture.sites.state import recurrences
from probe.errors import ProbeError
from probe.heads import LinearHeads, Origin
from probe.probing.at_site import AtSite
from probe.probing.draws import Pass
from probe.probing.experiment import Experiment
from probe.probing.ridge_fit import Read, fit_ridges
from probe.probing.targets import Target
from probe.progress import Report
from probe.randomness import PromptSource, Purpose
from probe.statistics import MeanBootstrap, RatioBootstrap
from probe.tasks import Prompts
from probe.tasks.prompts import only

DOUBLINGS = 6
"""By default lengths grow to 2 to this power, 64, times the trained one."""
REMEMBERED, AT_A_TIME = 16, 4
"""Prompts that the memory of a state is measured on, and how many of them at a time."""


@dataclass(frozen=True, eq=False)
class Health:
    """What was measured of one model.

    Attributes:
        heads: fitted at every length.
        norm: of the site's numbers, by cell and length.
        memory: tokens that hold half of the influence on a state, by cell and length; None where none is measured.
        frozen: errors of the heads that were fitted at the trained length, by cell and length.
        refitted: errors of heads that were fitted at that very length.
        answer: errors of the model's own answer, by length.
    """

    heads: LinearHeads
    norm: MeanBootstrap
    memory: MeanBootstrap | None
    frozen: RatioBootstrap
    refitted: RatioBootstrap
    answer: RatioBootstrap


def lengths_of(text: str, trained: int) -> list[int]:
    """Returns the numbers of examples that a checked text names, the trained one among them.

    Raises:
        ProbeError: if the checkpoint was trained on no task, so that there is no trained length.
    """
    if trained < 1:
        raise ProbeError(
            "--lengths was given, but the checkpoint was trained on no task, and heads are to be frozen at the trained "
            "number of examples. Give a checkpoint of probe train."
        )
    if text == "auto":
        return [trained * 2**power for power in range(DOUBLINGS + 1)]
    return sorted({trained, *(int(part) for part in text.split(","))})


def measure_health(experiment: Experiment, pass_: Pass, target: Target, trained: int, report: Report) -> Health:
    """Fits heads at every length, and measures what they, and those of the trained length, read there.

    Each prompt is drawn at the greatest length and read at all of them, so that the same prompts stand behind every
    number.

    Args:
        trained: the number of examples at which heads are frozen.
    """
    site = experiment.site
    assert site is not None, "health is measured at a site"

    def batches(purpose: Purpose) -> Iterator[Mapping[str, Read]]:
        for numbers, prompts, captured in experiment.batches(pass_, purpose):
            truth = {target.name: target.encoded(prompts)}
            yield {"linear": Read(captured.stream, truth, target.counted(prompts))}
            report(f"{purpose} {experiment.checkpoint.name}", numbers.stop, pass_.count(purpose))

    heads = fit_ridges(batches)["linear"][target.name]
    return _scored(experiment, site, pass_, target, trained, heads, report)


def _scored(
    experiment: Experiment, site: AtSite, pass_: Pass, target: Target, trained: int, heads: LinearHeads, report: Report
) -> Health:
    cells, lengths = len(site.cells), len(experiment.contexts)
    at = experiment.contexts.index(trained)
    norm = MeanBootstrap((cells, lengths), seed=pass_.seed)
    frozen, refitted = (RatioBootstrap((cells, lengths), seed=pass_.seed) for _ in range(2))
    answer = RatioBootstrap((lengths,), seed=pass_.seed)
    fixed = LinearHeads(
        heads.weight[:, at : at + 1].expand_as(heads.weight),
        heads.intercept[:, at : at + 1].expand_as(heads.intercept),
        heads.penalty,
    )
    for numbers, prompts in _drawn(experiment, pass_):
        inputs, tokens = prompts.inputs.to(experiment.device), prompts.queries.to(experiment.device)
        seen = capture_site(experiment.model, inputs, tokens, site.name, narrow=site.narrow)
        norm.update(numbers, seen.norms.movedim(0, 1).cpu())
        truth = target.encoded(prompts).double()
        zero = truth.square().sum(-1)[:, None].expand(-1, cells, -1)
        for errors, read in ((frozen, fixed), (refitted, heads)):
            wrong = (read(seen.values).cpu() - truth).square().sum(-1).movedim(0, 1)
            errors.update(numbers, wrong, zero)
        own = experiment.task.answer(seen.output.cpu())
        answer.update(numbers, experiment.task.cost(own, prompts), experiment.task.guess(prompts))
        report(f"score {experiment.checkpoint.name}", numbers.stop, pass_.score)
    origin = Origin(
        experiment.checkpoint.name,
        experiment.checkpoint.digest,
        str(experiment.task_name),
        target.name,
        f"linear at {site.name}",
        site.layers,
        tuple(experiment.contexts),
    )
    memory = _memory(experiment, site, pass_)
    return Health(heads.fitted_on(origin).to("cpu"), norm, memory, frozen, refitted, answer)


def _drawn(experiment: Experiment, pass_: Pass) -> Iterator[tuple[range, Prompts]]:
    for numbers in pass_.batches("score"):
        drawn = experiment.task.draw(PromptSource(pass_.seed, "score", numbers), experiment.longest)
        yield numbers, only(drawn, experiment.chosen)


def _memory(experiment: Experiment, site: AtSite, pass_: Pass) -> MeanBootstrap | None:
    """Returns the memory of every cell's state, or None at other sites and where only a cache holds states."""
    if site.name != "state" or not recurrences(experiment.model):
        return None
    found = MeanBootstrap((len(site.cells), len(experiment.contexts)), seed=pass_.seed)
    for first in range(0, REMEMBERED, AT_A_TIME):
        numbers = range(first, first + AT_A_TIME)
        drawn = experiment.task.draw(PromptSource(pass_.seed, "score", numbers), experiment.longest)
        prompts = only(drawn, experiment.chosen)
        by_layer = influences(experiment.model, prompts.inputs.to(experiment.device), prompts.queries.tolist())
        values: list[Tensor] = [
            torch.stack([half_memory(squares) for squares in by_layer[layer]], dim=1) for layer in site.layers
        ]
        found.update(numbers, torch.stack(values, dim=1).cpu())
    return found


def health_rows(found: Health, experiment: Experiment, target: str) -> list[dict[str, Any]]:
    """Returns the rows of a record: norm, memory and errors by layer and length, and the model's own error."""
    site, name = experiment.site, experiment.checkpoint.name
    assert site is not None, "health is measured at a site"
    rows: list[dict[str, Any]] = []
    measured = {"norm": found.norm, "memory": found.memory, "frozen": found.frozen, "refitted": found.refitted}
    for metric, values in measured.items():
        if values is None:
            continue
        mean, (low, high) = values.estimate(), values.interval()
        of = target if metric in ("frozen", "refitted") else None
        for i, cell in enumerate(site.cells):
            where = f"{site.name}, {cell.name}" if cell.name else site.name
            for j, context in enumerate(experiment.contexts):
                rows.append(
                    {"model": name, "site": where, "layer": cell.layer, "context": context, "metric": metric}
                    | {"target": of, "value": mean[i, j].item(), "low": low[i, j].item(), "high": high[i, j].item()}
                    | {"prompts": values.prompts}
                )
    mean, (low, high) = found.answer.estimate(), found.answer.interval()
    for j, context in enumerate(experiment.contexts):
        rows.append(
            {"model": name, "site": None, "layer": None, "context": context, "metric": "answer", "target": "y"}
            | {"value": mean[j].item(), "low": low[j].item(), "high": high[j].item(), "prompts": found.answer.prompts}
        )
    return rows
