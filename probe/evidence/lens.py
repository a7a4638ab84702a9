"""The model's own read-out at every layer, with a scale and a shift for each layer: read early, but in its own words.

A residual stream grows from block to block and the final norm divides by it, so that the plain lens errs by a factor
where the answer stands in the right direction. Grazzi et al. (2024, arXiv:2402.03170, section 3.2) calibrate it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from probe.heads.affine import apply, fit_affine
from probe.probing.draws import Pass
from probe.probing.experiment import Experiment
from probe.statistics import RatioBootstrap


def calibrated_errors(experiment: Experiment, pass_: Pass) -> RatioBootstrap:
    """Returns the error of the lens at every layer and the largest context, on the score prompts.

    Scale and shift are fitted on the selection prompts, by least squares.
    """
    reads, targets = [], []
    for _, prompts, captured in experiment.batches(pass_, "select"):
        counted = prompts.counted[:, -1]
        reads.append(_read(experiment, captured.stream)[:, counted])
        targets.append(prompts.targets[counted, -1, 0].double())
    read = torch.cat(reads, dim=1)
    fitted = fit_affine(read, torch.cat(targets).expand_as(read))
    errors = RatioBootstrap((experiment.layers,), seed=pass_.seed)
    for numbers, prompts, captured in experiment.batches(pass_, "score"):
        counted, y = prompts.counted[:, -1].double(), prompts.targets[:, -1, 0].double()
        wrong = apply(_read(experiment, captured.stream), *fitted) - y
        errors.update(numbers, (wrong.square() * counted).T, (y.square() * counted)[:, None])
    return errors


def _read(experiment: Experiment, stream: Tensor) -> Tensor:
    found: Tensor = experiment.decode(stream[:, :, -1])[..., 0].double()
    return found
