"""Scale and shift of every layer, a prompt at a time: the calibrated lens of Grazzi et al. (2024), section 3.3."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from probe.capture import capture
from probe.config import FitConfig
from probe.heads.calibrated import PROTOCOLS, Calibration, Protocol, calibrate
from probe.probing.chance import independent
from probe.probing.experiment import Experiment
from probe.processes import Processes, merge_each
from probe.progress import Report
from probe.randomness import PromptSource
from probe.statistics import LayerErrors, MeanBootstrap
from probe.tasks import Prompts

CALIBRATED_BATCH = 8  # prompts, each with up to 50 queries appended alone


def calibrated_rows(
    experiment: Experiment, config: FitConfig, report: Report, processes: Processes
) -> list[dict[str, Any]]:
    """Runs a protocol of Grazzi et al. (2024) with the largest chosen context as its k."""
    protocol, examples = PROTOCOLS[config.protocol], experiment.longest
    layers, blocks, name = range(experiment.layers), experiment.layers - 1, experiment.checkpoint.name
    errors = {
        head: LayerErrors("y", of, blocks, [examples], config.seed) for head, of in (("lens", layers), ("chance", None))
    }
    means = {quantity: MeanBootstrap((experiment.layers,), seed=config.seed) for quantity in ("scale", "shift")}
    for first in processes.deal(range(0, protocol.prompts, CALIBRATED_BATCH)):
        numbers = range(first, min(first + CALIBRATED_BATCH, protocol.prompts))
        source = PromptSource(config.seed, "score", numbers)
        prompts = experiment.task.draw(source, examples + protocol.appended - 1)
        found = calibrate_prompts(experiment, prompts, protocol, examples)
        zero = found.zero[:, None]
        errors["lens"].add(numbers, found.squared[..., None], zero, torch.ones_like(zero, dtype=torch.bool))
        means["scale"].update(numbers, found.scale.T)
        means["shift"].update(numbers, found.shift.T)
        unknowing = independent((config.seed, "chance", "calibrated"), numbers, protocol.fitted + protocol.tested)
        blind = _calibrated_by(protocol, unknowing[None], _calibration_targets(prompts, protocol, examples))
        errors["chance"].add(numbers, blind.squared[..., None], zero, torch.ones_like(zero, dtype=torch.bool))
        report(f"calibrate {name}", numbers.stop, protocol.prompts)
    errors, means = processes.merged(errors, merge_each, dict), processes.merged(means, merge_each, dict)
    rows = list(errors["lens"].rows(name, "calibrated"))
    for quantity, found_means in means.items():
        mean, (low, high) = found_means.estimate(), found_means.interval()
        for layer, row in enumerate(rows):
            row[quantity] = mean[layer].item()
            row[f"{quantity}_low"], row[f"{quantity}_high"] = low[layer].item(), high[layer].item()
    return rows + list(errors["chance"].rows(name, "chance_calibrated"))


def calibrate_prompts(experiment: Experiment, prompts: Prompts, protocol: Protocol, examples: int) -> Calibration:
    """Returns scale, shift and error of every layer on given prompts, by a protocol of Grazzi et al. (2024).

    Args:
        prompts: the first `examples` points of each are its context, the others are appended to it one at a time.
    """
    predicted = _calibration_predictions(experiment, prompts, protocol, examples)
    return _calibrated_by(protocol, predicted, _calibration_targets(prompts, protocol, examples))


def _calibrated_by(protocol: Protocol, predicted: Tensor, target: Tensor) -> Calibration:
    """Fits on the first predictions and judges on the rest, [layer, batch, fitted + tested]."""
    m = protocol.fitted
    return calibrate(predicted[..., :m], target[:, :m], predicted[..., m:], target[:, m:])


def _calibration_targets(prompts: Prompts, protocol: Protocol, examples: int) -> Tensor:
    """Returns the targets of the fitted queries and then of the tested, [batch, fitted + tested]."""
    first = examples - protocol.fitted if protocol.in_context else examples
    return prompts.targets[:, first:, 0]


def _calibration_predictions(experiment: Experiment, prompts: Prompts, protocol: Protocol, examples: int) -> Tensor:
    """Returns the lens's predictions at the fitted queries and then the tested, [layer, batch, fitted + tested]."""
    stream, _ = experiment.alone(prompts, examples)
    predicted = experiment.decode(stream)[..., 0]
    if not protocol.in_context:
        return predicted
    inside = prompts.queries[examples - protocol.fitted : examples].to(experiment.device)
    within = capture(experiment.model, prompts.inputs[:, : 2 * examples + 1].to(experiment.device), inside)
    return torch.cat([experiment.decode(within.stream)[..., 0], predicted], dim=-1)
