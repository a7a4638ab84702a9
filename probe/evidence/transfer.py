"""Heads of one layer applied at another: whether the layers write their answers in the same place.

A head refitted at every layer of a residual stream can hardly get worse: what a block adds, the next head may ignore.
A head that is fitted once and followed through the layers has no such freedom.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from probe.heads import LinearHeads
from probe.probing.draws import Pass
from probe.probing.experiment import Experiment
from probe.statistics import RatioBootstrap


def transfer(experiment: Experiment, heads: LinearHeads, pass_: Pass) -> RatioBootstrap:
    """Returns the errors of every layer's head at every layer, [head's layer, layer it is applied at].

    Measured at the last of the experiment's contexts on the score prompts. The diagonal is the usual layer curve; the
    last row follows the last layer's head, one frozen direction, from the read-in on.

    Args:
        heads: for y, fitted at every layer of this experiment.
    """
    layers = experiment.layers
    errors = RatioBootstrap((layers, layers), seed=pass_.seed)
    for numbers, prompts, captured in experiment.batches(pass_, "score"):
        predicted = apply_each(heads, captured.stream[:, :, -1].cpu())
        target = experiment.task.encoded(prompts)[:, -1].double()
        counted = prompts.counted[:, -1].double()
        squared = (predicted - target).square().sum(-1) * counted
        errors.update(numbers, squared.permute(2, 0, 1), (counted * target.square().sum(-1))[:, None, None])
    return errors


def apply_each(
    heads: LinearHeads, stream: Float[Tensor, "layer batch width"]
) -> Float64[Tensor, "layer layer batch target"]:
    """Returns the answers of every layer's head for the last context from every layer's stream."""
    weight, intercept = heads.weight[:, -1].cpu(), heads.intercept[:, -1].cpu()
    predicted = torch.einsum("mbw,lwk->lmbk", stream.double(), weight)
    shifted: Tensor = predicted + intercept[:, None, None]
    return shifted
