"""Errors of heads that are fitted and judged by a protocol of their own, such as the calibrated lens."""

from __future__ import annotations

from typing import Any

import torch

from probe.heads import Head
from probe.probing.experiment import Experiment
from probe.processes import ALONE, Processes, merge_each
from probe.progress import Report
from probe.statistics import LayerErrors, MeanBootstrap


def judged_rows(
    experiment: Experiment, head: Head, seed: int, report: Report, processes: Processes = ALONE
) -> list[dict[str, Any]]:
    """Returns the rows of a head that overrides `judge`: its error at every layer, and that of chance.

    What else the head measures stands in columns of its own, the mean over prompts with its band.
    """
    layers, examples, name = range(experiment.layers), experiment.longest, experiment.checkpoint.name
    errors = {
        line: LayerErrors("y", of, experiment.layers - 1, [examples], seed)
        for line, of in (("own", layers), ("chance", None))
    }
    means: dict[str, MeanBootstrap] = {}
    for first in processes.deal(range(0, head.own_prompts, head.own_batch)):
        numbers = range(first, min(first + head.own_batch, head.own_prompts))
        with torch.no_grad():
            found = head.judge(experiment, seed, numbers)
        zero = found.zero[:, None]
        for line, squared in (("own", found.squared), ("chance", found.chance)):
            errors[line].add(numbers, squared[..., None], zero, torch.ones_like(zero, dtype=torch.bool))
        for quantity, values in found.quantities.items():
            means.setdefault(quantity, MeanBootstrap((experiment.layers,), seed=seed)).update(numbers, values.T)
        report(f"{head.name} {name}", numbers.stop, head.own_prompts)
    errors, means = processes.merged(errors, merge_each, dict), processes.merged(means, merge_each, dict)
    rows = list(errors["own"].rows(name, head.name))
    for quantity, found_means in means.items():
        mean, (low, high) = found_means.estimate(), found_means.interval()
        for layer, row in enumerate(rows):
            row[quantity] = mean[layer].item()
            row[f"{quantity}_low"], row[f"{quantity}_high"] = low[layer].item(), high[layer].item()
    return rows + list(errors["chance"].rows(name, f"chance_{head.name}"))
