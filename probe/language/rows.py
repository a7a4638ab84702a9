"""The rows of a language record: a share of prompts, or a mean of them, with bands by prompt and standard errors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import sqrt
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from probe.statistics import LayerErrors, MeanBootstrap

CHUNK = 256
MEAN = "mean"
"""Stands in the column `task` for the mean over the tasks common to all contexts."""


def share_rows(
    correct: Float[Tensor, "prompt layer context"],
    layers: Sequence[int] | None,
    blocks: int,
    contexts: Sequence[int],
    seed: int,
    labels: dict[str, Any],
) -> Iterator[dict[str, Any]]:
    """Yields a row for every layer and context: the share of prompts that are correct, and its complement as error.

    Args:
        correct: how much of each prompt is correct, in 0..1.
        layers: None for what has no layer.
        labels: the row's other columns, ``model``, ``head``, ``target``, ``task`` and ``metric`` among them.
    """
    errors = LayerErrors(labels["target"], layers, blocks, contexts, seed)
    for first in range(0, len(correct), CHUNK):
        cost = 1 - correct[first : first + CHUNK].double()
        numbers = range(first, first + len(cost))
        known = torch.ones(len(cost), len(contexts), dtype=torch.float64)
        errors.add(numbers, cost.transpose(0, 1), known, known.bool())
    deviations = correct.double().std(0, correction=0).flatten().tolist()
    for row, deviation in zip(errors.rows(labels["model"], labels["head"]), deviations, strict=True):
        yield (
            row
            | labels
            | {
                "value": 1 - row["error"],
                "value_low": 1 - row["high"],
                "value_high": 1 - row["low"],
                "standard_error": deviation / sqrt(len(correct)),
            }
        )


def mean_rows(
    values: Float[Tensor, "prompt layer"],
    layers: Sequence[int],
    blocks: int,
    context: int,
    seed: int,
    labels: dict[str, Any],
    geometric: bool = False,
) -> Iterator[dict[str, Any]]:
    """Yields a row for every layer: the mean over prompts, arithmetic or geometric, of what is no error.

    Args:
        geometric: the standard error is then that of the mean logarithm, times the mean.
    """
    values = values.double().log() if geometric else values.double()
    means = MeanBootstrap((len(layers),), seed=seed)
    for first in range(0, len(values), CHUNK):
        chunk = values[first : first + CHUNK]
        means.update(range(first, first + len(chunk)), chunk)
    mean, (low, high) = means.estimate(), means.interval()
    spread = values.std(0, correction=0) / sqrt(len(values))
    if geometric:
        mean, low, high = mean.exp(), low.exp(), high.exp()
        spread = spread * mean
    for place, layer in enumerate(layers):
        yield {
            "layer": layer,
            "depth": layer / blocks,
            "context": context,
            "prompts": len(values),
            **labels,
            "value": mean[place].item(),
            "value_low": low[place].item(),
            "value_high": high[place].item(),
            "standard_error": spread[place].item(),
        }


def mean_over_tasks(correct: Sequence[Float[Tensor, "prompt context"]]) -> Float[Tensor, "prompt context"]:
    """Returns the mean over tasks at each prompt number; tasks are independent, so its spread is the mean's own."""
    return torch.stack(list(correct)).mean(0)
