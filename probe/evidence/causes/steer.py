"""Whether pushing the stream along a head's direction moves the model's answer by what was asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from probe.evidence.causes.pairs import Pair, answer, answered, at_query, each_pair, last, linear_answers, whole_pass
from probe.evidence.causes.shifts import Shifts
from probe.evidence.causes.table import About
from probe.heads import LinearHeads
from probe.interventions import resuming, steering
from probe.probing.draws import Pass
from probe.probing.experiment import Experiment
from probe.randomness import KeyedGenerator, key

STRENGTHS = (-1.0, -0.5, 0.5, 1.0)
"""In units of the root mean square of y; a prompt's number picks its own."""
TINY = 1e-30


@dataclass(frozen=True, eq=False)
class Directions:
    """Vectors that raise the answer of every layer's head by 1 when added to the stream.

    Attributes:
        head: along the head's weights w: w / |w|^2, the shortest.
        pattern: along the stream's covariance with the head's answer, as the answer moves between prompts (Haufe et
            al., 2014, doi:10.1016/j.neuroimage.2013.10.067, eq. 7).
        unit: the root mean square of y.
    """

    head: Float64[Tensor, "layer width"]
    pattern: Float64[Tensor, "layer width"]
    unit: float


@dataclass(frozen=True, eq=False)
class Steered:
    """Shifts of the answer against those asked for, one cell a layer, by the direction taken.

    ``random`` is a direction of its own for every prompt, as long as the head's; what moves there moves by chance.
    """

    shifts: dict[str, Shifts]

    def rows(self, about: About) -> list[dict[str, Any]]:
        """Returns a record's rows: the slope of actual on asked-for shifts, and their size."""
        return [
            row
            for direction, shifts in self.shifts.items()
            for metric, band in (("slope", shifts.slope()), ("size", shifts.size()))
            for row in about.rows(f"steer:{direction}", metric, band, range(about.layers), head="linear")
        ]


def directions(experiment: Experiment, heads: LinearHeads, pass_: Pass) -> Directions:
    """Returns the directions of the heads for the largest context; their patterns are of the selection prompts."""
    weight = heads.weight[:, -1, :, 0].cpu()
    streams, answers, together = (torch.zeros_like(weight) for _ in range(3))
    squares, targets, count = torch.zeros_like(weight[:, :1]), 0.0, 0
    for numbers, prompts, captured in experiment.batches(pass_, "select"):
        stream = captured.stream[:, :, -1:]
        read = linear_answers(heads, stream)
        streams += stream[:, :, 0].double().sum(1).cpu()
        answers += read.sum(1, keepdim=True)
        together += torch.einsum("lpw,lp->lw", stream[:, :, 0].cpu().double(), read)
        squares += read.square().sum(1, keepdim=True)
        targets += prompts.targets[:, -1].double().square().sum().item()
        count += len(numbers)
    covariance = together / count - streams * answers / count**2
    variance = squares / count - (answers[:, :1] / count).square()
    return Directions(
        head=weight / weight.square().sum(-1, keepdim=True).clamp(min=TINY),
        pattern=covariance / variance.clamp(min=TINY),
        unit=math.sqrt(targets / count),
    )


def steer(experiment: Experiment, heads: LinearHeads, pass_: Pass) -> Steered:
    """Adds to the stream at the query, layer by layer, what should raise the answer by a known amount.

    Args:
        heads: for y, fitted at every layer of this experiment.
    """
    found = directions(experiment, heads, pass_)
    shifts = {name: Shifts(experiment.layers, pass_.seed) for name in ("head", "pattern", "random")}

    def moves_of(twin: Experiment, pair: Pair) -> tuple[Tensor, dict[str, list[Tensor]]]:
        query, own = last(pair.own), whole_pass(twin, pair.own)
        before = answered(twin, own)
        asked = found.unit * torch.tensor([STRENGTHS[n % len(STRENGTHS)] for n in pair.numbers], dtype=torch.float64)
        chance = _random(pass_.seed, pair.numbers, twin.model.width)
        moved: dict[str, list[Tensor]] = {name: [] for name in shifts}
        with at_query(twin, own):
            for layer, place in enumerate(twin.model.places):
                along = found.head[layer], found.pattern[layer], chance * found.head[layer].norm()
                for name, direction in zip(shifts, along, strict=True):
                    added = (asked[:, None] * direction)[:, None].to(twin.device)
                    with resuming(twin.model, layer, own.stream[layer]), steering(place, query, added):
                        moved[name].append(answer(twin, pair.own) - before)
        return asked, moved

    for pair, (asked, moved) in each_pair(experiment, pass_, moves_of):
        for name, by_layer in moved.items():
            actual = torch.stack(by_layer)
            shifts[name].add(pair.numbers, actual, asked.expand_as(actual), pair.target)
    return Steered(shifts)


def _random(seed: int, numbers: range, width: int) -> Float64[Tensor, "prompt width"]:
    """Returns a direction of length 1 for every prompt, by its number."""
    keyed = KeyedGenerator()
    drawn = torch.from_numpy(np.stack([keyed.at(key(seed, "steer", n)).standard_normal(width) for n in numbers]))
    unit: Tensor = drawn / drawn.norm(dim=-1, keepdim=True)
    return unit
