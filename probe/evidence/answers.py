"""The answers of every layer to many queries, each appended alone to the same examples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from probe.learners import Examples
from probe.probing.draws import Pass
from probe.probing.experiment import Experiment
from probe.probing.twins import each
from probe.randomness import PromptSource, Purpose
from probe.statistics import RatioBootstrap
from probe.tasks import Prompts

Reading = Callable[[Float[Tensor, "layer row width"]], Float[Tensor, "layer row"]]
"""Turns the stream at the query tokens into answers."""
Change = Callable[[Prompts, range], Prompts]
"""Turns prompts, and their numbers, into others of the same shape."""
Conditioned = Literal["well", "ill"]
"""Which third of the prompts, by the condition number of their examples."""


@dataclass(frozen=True, eq=False)
class Asked:
    """The answers of every layer to queries that share their prompt's examples.

    Attributes:
        numbers: the prompts' numbers.
        examples: what stands before the queries, with what y is linear in as their x.
        queries: each appended alone; likewise.
        targets: the true values there.
        answers: by the name of the reading.
    """

    numbers: Sequence[int]
    examples: Examples
    queries: Float64[Tensor, "prompt query dim"]
    targets: Float64[Tensor, "prompt query"]
    answers: dict[str, Float64[Tensor, "layer prompt query"]]


def ask(
    experiment: Experiment,
    readings: dict[str, Reading],
    examples: int,
    queries: int,
    seed: int,
    purpose: Purpose,
    count: int,
    batch: int = 32,
    change: Change | None = None,
) -> Asked:
    """Returns the answers of every layer to queries that are appended alone after the same examples of each prompt.

    Args:
        readings: functions that turn the stream at a query into an answer, by name.
        examples: before every query.
        queries: appended to each prompt's examples, one at a time.
        count: of prompts.
        batch: prompts that run together, each with all of its queries.
        change: what is done to the prompts before they are asked, by their numbers.
    """
    parts: dict[str, list[Tensor]] = {name: [] for name in readings}
    xs, ys = [], []

    def answers_of(twin: Experiment, numbers: range) -> tuple[Prompts, dict[str, Tensor]]:
        prompts = twin.task.draw(PromptSource(seed, purpose, numbers), examples + queries - 1)
        prompts = prompts if change is None else change(prompts, numbers)
        stream = twin.alone(prompts, examples)[0].flatten(1, 2)
        shape = (-1, len(numbers), queries)
        return prompts, {name: reading(stream).cpu().double().reshape(shape) for name, reading in readings.items()}

    batches = [range(first, min(first + batch, count)) for first in range(0, count, batch)]
    threads = experiment.at_a_time(Pass(count, count, seed, batch * queries))
    for _, (prompts, answers) in each(experiment, batches, answers_of, threads):
        for name, found in answers.items():
            parts[name].append(found)
        regressors = experiment.task.regressors(prompts.x)
        assert regressors is not None, "asked about a task that is linear in nothing"
        xs.append(regressors)
        ys.append(prompts.y)
    x, y = torch.cat(xs), torch.cat(ys)
    return Asked(
        numbers=range(count),
        examples=Examples(x[:, :examples], y[:, :examples]),
        queries=x[:, examples:].double(),
        targets=y[:, examples:].double(),
        answers={name: torch.cat(found, dim=1) for name, found in parts.items()},
    )


def third(asked: Asked, which: Conditioned) -> list[int]:
    """Returns the places of the third of the prompts whose examples are conditioned best, or worst.

    The condition number is that of the examples' x, largest to smallest singular value: it sets how many steps
    gradient descent takes (Fu et al., 2024, arXiv:2310.17086, tell algorithms apart by it).
    """
    order = torch.linalg.cond(asked.examples.x.double()).argsort(stable=True).tolist()
    count = len(order) // 3
    return sorted(order[:count] if which == "well" else order[len(order) - count :])


def distance(
    asked: Asked, left: Float64[Tensor, "layer prompt some"], unit: Float64[Tensor, "prompt some"], seed: int
) -> RatioBootstrap:
    """Returns what is left at every layer, squared, in units of the squares of what is measured against."""
    found = RatioBootstrap((len(left),), seed=seed)
    found.update(asked.numbers, left.square().sum(-1).T, unit.square().sum(-1, keepdim=True))
    return found


def induced_weights(
    queries: Float64[Tensor, "prompt query dim"], answers: Float64[Tensor, "*lead prompt query"]
) -> tuple[Float64[Tensor, "*lead prompt dim"], Float64[Tensor, "*lead prompt"]]:
    """Returns the weights by which answers best follow queries, and the share of the answers' squares they explain.

    The implicit weights of Akyürek et al. (2022), arXiv:2211.15661, section 4.1; a share near 1 says that the answers
    are linear in the query. With as many queries as dimensions it is 1 by construction: ask more.
    """
    inverse = torch.linalg.pinv(queries)
    weights = torch.einsum("pdq,...pq->...pd", inverse, answers)
    fitted = torch.einsum("pqd,...pd->...pq", queries, weights)
    total = answers.square().sum(-1)
    left = (answers - fitted).square().sum(-1)
    return weights, torch.where(total > 0, 1 - left / total.where(total > 0, 1.0), torch.ones_like(total))
