"""Prompts in pairs that ask the same query after different examples, so that an exchange has one known answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from probe.capture import Captured, capture
from probe.errors import ProbeError
from probe.heads import LinearHeads
from probe.interventions import last_alone, remembered
from probe.probing.draws import Pass
from probe.probing.experiment import Experiment
from probe.probing.twins import each
from probe.randomness import PromptSource

Found = TypeVar("Found")


@dataclass(frozen=True, eq=False)
class Pair:
    """A batch of prompts, each with another's examples before its own query.

    Attributes:
        numbers: the prompts' own numbers.
        own: their tokens, the query last.
        donor: the same query after the examples of another prompt, which serves no other.
        target: the true answer to the query after the prompt's own examples.
    """

    numbers: range
    own: Float[Tensor, "prompt time dim"]
    donor: Float[Tensor, "prompt time dim"]
    target: Float64[Tensor, " prompt"]


def pairs(experiment: Experiment, pass_: Pass) -> Iterator[Pair]:
    """Yields the score prompts after the experiment's largest context; donors are as many prompts beyond them.

    Raises:
        ProbeError: if the task has no query whose answer is one number.
    """
    if not (experiment.task.appendable and experiment.task.objective == "squared"):
        raise ProbeError(
            f"The task {experiment.task_name} was given, but interventions are judged on pairs with a number to "
            "predict. Give a task such as linear."
        )
    for numbers in pass_.batches("score"):
        others = range(pass_.score + numbers.start, pass_.score + numbers.stop)
        own, donor = (
            experiment.task.draw(PromptSource(pass_.seed, "score", some), experiment.longest)
            for some in (numbers, others)
        )
        same_query = torch.cat([donor.inputs[:, :-1], own.inputs[:, -1:]], dim=1)
        yield Pair(
            numbers, own.inputs.to(experiment.device), same_query.to(experiment.device), own.targets[:, -1, 0].double()
        )


def each_pair(
    experiment: Experiment, pass_: Pass, compute: Callable[[Experiment, Pair], Found], streams: int = 1
) -> Iterator[tuple[Pair, Found]]:
    """Yields every pair with what is computed of it, several side by side (`probe.probing.twins`).

    Args:
        streams: how many whole streams are held for a pair at a time.

    Raises:
        ProbeError: if the task has no query whose answer is one number.
    """
    return each(experiment, pairs(experiment, pass_), compute, experiment.at_a_time(pass_, streams))


@torch.no_grad()
def answer(experiment: Experiment, inputs: Float[Tensor, "prompt time dim"]) -> Float64[Tensor, " prompt"]:
    """Returns the model's answers to the last token."""
    found: Tensor = experiment.task.answer(experiment.model.run(inputs)[:, -1])
    return found[:, 0].cpu().double()


def whole_pass(experiment: Experiment, inputs: Float[Tensor, "prompt time dim"]) -> Captured:
    """Returns the stream and the predictions at every token, from which later passes can go on."""
    return capture(experiment.model, inputs, torch.arange(inputs.shape[1], device=inputs.device))


@contextmanager
def at_query(experiment: Experiment, own: Captured) -> Iterator[None]:
    """Has passes on the prompts of a whole pass compute the query alone, where the model's mixers can.

    For what is changed at the query: what stands at earlier tokens is as it was, and is not computed again.
    """
    with last_alone(experiment.model, remembered(experiment.model, own.stream), own.stream.shape[2] - 1):
        yield


def answered(experiment: Experiment, captured: Captured) -> Float64[Tensor, " prompt"]:
    """Returns the model's answers to the last of the captured tokens."""
    found: Tensor = experiment.task.answer(captured.output[:, -1])
    return found[:, 0].cpu().double()


def linear_answers(
    heads: LinearHeads, stream: Float[Tensor, "layer prompt 1 width"]
) -> Float64[Tensor, "layer prompt"]:
    """Returns the answers of every layer's head for the largest context, from the stream at the query."""
    weight, intercept = heads.weight[:, -1, :, 0].cpu(), heads.intercept[:, -1, 0].cpu()
    found: Tensor = torch.einsum("lpw,lw->lp", stream[:, :, 0].cpu().double(), weight) + intercept[:, None]
    return found


def readings(
    experiment: Experiment, heads: LinearHeads, stream: Float[Tensor, "layer prompt 1 width"]
) -> dict[str, Float64[Tensor, "layer prompt"]]:
    """Returns the answers of every layer's head, and of the model's own decoder, from the stream at the query.

    Args:
        heads: for y, fitted at every layer.
    """
    return {"linear": linear_answers(heads, stream), "lens": experiment.decode(stream[:, :, 0])[..., 0].double()}


def last(inputs: Float[Tensor, "prompt time dim"]) -> Int[Tensor, " 1"]:
    """Returns the place of the query."""
    return torch.tensor([inputs.shape[1] - 1], device=inputs.device)
