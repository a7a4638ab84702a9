"""How complete and how selective an intervention is that puts another prompt's answer in place of a layer's.

After Canby et al. (2024), arXiv:2408.15510: a counterfactual intervention is complete as far as the property becomes
the counterfactual's, selective as far as other properties stay, and reliable by the harmonic mean of both. Here the
answer that a head reads at the query is moved to the one that it reads after the donor's examples. Unlike there,
complete is what the model itself then answers and not what other probes read, so that an answer that is decoded and
acts on nothing is not complete.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float64
from torch import Tensor

from probe.capture import Captured, capture
from probe.evidence.causes.pairs import Pair, answer, answered, at_query, each_pair, last, linear_answers, whole_pass
from probe.evidence.causes.steer import directions
from probe.evidence.causes.table import About
from probe.evidence.targets import fit_targets
from probe.heads import LinearHeads
from probe.interventions import resuming, steering
from probe.probing.draws import Pass
from probe.probing.experiment import Experiment
from probe.probing.ridge_fit import Targets
from probe.statistics import RatioBootstrap, band_of
from probe.tasks import Prompts

READ = 0.5
"""Where heads err more, a quantity is not read there, and whether it moves is not asked."""
WAYS = ("head", "pattern", "stream")


@dataclass(frozen=True, eq=False)
class Counterfactual:
    """What the exchanged answers did, one cell a layer, by the way in which they were exchanged.

    Attributes:
        missed: the share of the model's way to the donor's answer that it did not go.
        moved: by how much other quantities moved, each against what it differs by between prompts, [quantity, layer].
        read: which of them heads read at the layer.
    """

    missed: dict[str, RatioBootstrap]
    moved: dict[str, RatioBootstrap]
    read: Float64[Tensor, "quantity layer"]

    def rows(self, about: About) -> list[dict[str, Any]]:
        """Returns a record's rows: completeness, selectivity and reliability of every way at every layer."""
        rows = []
        for way, missed in self.missed.items():
            complete = (1 - missed.draws()).clamp(0, 1)
            # a quantity that moves as much as between any two prompts is not kept at all
            kept = (1 - self.moved[way].draws()).clamp(0, 1)
            selective = (kept * self.read).sum(1) / self.read.sum(0)
            reliable = 2 * complete * selective / (complete + selective).clamp(min=1e-12)
            for metric, draws in (("completeness", complete), ("selectivity", selective), ("reliability", reliable)):
                rows += about.rows(f"counterfactual:{way}", metric, band_of(draws), range(about.layers), head="linear")
        return rows


@dataclass(frozen=True, eq=False)
class _Moves:
    """What exchanged answers did on some prompts.

    Attributes:
        way: the square of the model's way to the donor's answer.
        off: by way, the squares of what its answers missed the donor's by.
        apart: by way, the squares of how far other quantities moved; ``between`` prompts they differ by as much.
    """

    way: Float64[Tensor, " prompt"]
    off: dict[str, Float64[Tensor, "prompt layer"]]
    apart: dict[str, Float64[Tensor, "prompt quantity layer"]]
    between: Float64[Tensor, "prompt quantity layer"]


def counterfactual(experiment: Experiment, heads: LinearHeads, pass_: Pass) -> Counterfactual:
    """Exchanges the answer at the query, layer by layer, on the score prompts.

    It is moved along the head's weights (``head``), as it varies between prompts (``pattern``), or with the whole
    stream at the query (``stream``).

    Args:
        heads: for y, fitted at every layer of this experiment.

    Raises:
        ProbeError: if the task has no query whose answer is one number.
    """
    others, errors = fit_targets(experiment, _others, pass_)
    estimates = [one.ratio.estimate()[..., -1] for one in errors.values()]
    # the stream's length is there to be moved, whatever heads read
    read = torch.stack([*((one <= READ).double() for one in estimates), torch.ones_like(estimates[0])])
    along = directions(experiment, heads, pass_)
    layers = experiment.layers
    missed = {way: RatioBootstrap((layers,), seed=pass_.seed) for way in WAYS}
    moved = {way: RatioBootstrap((len(read), layers), seed=pass_.seed) for way in WAYS}

    def moves_of(twin: Experiment, pair: Pair) -> _Moves:
        own, donor = whole_pass(twin, pair.own), capture(twin.model, pair.donor, last(pair.own))
        before, after = answered(twin, own), answered(twin, donor)
        stream = own.stream[:, :, -1].cpu().double()
        off, apart = {}, {}
        with at_query(twin, own):
            for way, vectors in _vectors(heads, along.head, along.pattern, own, donor):
                off[way] = (_steered(twin, pair, own, vectors) - after).square().T
                apart[way] = _apart(others, stream, stream + vectors)
        return _Moves((after - before).square(), off, apart, _apart(others, stream, stream.roll(1, 1)))

    for pair, found in each_pair(experiment, pass_, moves_of):
        for way in WAYS:
            missed[way].update(pair.numbers, found.off[way], found.way[:, None].expand(-1, layers))
            moved[way].update(pair.numbers, found.apart[way], found.between)
    return Counterfactual(missed, moved, read)


def _others(prompts: Prompts, captured: Captured) -> Targets:
    """Returns what the answer is not: the query itself, and the mean of the examples' inputs."""
    found = {"x": prompts.x[:, -1:], "inputs": prompts.x[:, :-1].mean(1, keepdim=True)}
    return {name: target.expand(-1, captured.output.shape[1], -1) for name, target in found.items()}


def _vectors(
    heads: LinearHeads,
    shortest: Float64[Tensor, "layer width"],
    pattern: Float64[Tensor, "layer width"],
    own: Captured,
    donor: Captured,
) -> Iterator[tuple[str, Float64[Tensor, "layer prompt width"]]]:
    """Yields what is added to the stream in every way."""
    shift = linear_answers(heads, donor.stream) - linear_answers(heads, own.stream[:, :, -1:])
    yield "head", shift[..., None] * shortest[:, None]
    yield "pattern", shift[..., None] * pattern[:, None]
    yield "stream", (donor.stream[:, :, 0] - own.stream[:, :, -1]).cpu().double()


def _steered(
    experiment: Experiment, pair: Pair, own: Captured, vectors: Float64[Tensor, "layer prompt width"]
) -> Float64[Tensor, "layer prompt"]:
    """Returns the model's answers after each layer's stream was moved."""
    answers = []
    for layer, place in enumerate(experiment.model.places):
        added = vectors[layer][:, None].to(experiment.device)
        go_on = resuming(experiment.model, layer, own.stream[layer])
        with go_on, steering(place, last(pair.own), added):
            answers.append(answer(experiment, pair.own))
    return torch.stack(answers)


def _apart(
    heads: dict[str, LinearHeads],
    stream: Float64[Tensor, "layer prompt width"],
    other: Float64[Tensor, "layer prompt width"],
) -> Float64[Tensor, "prompt quantity layer"]:
    """Returns the squares of what every reading, and last the length, of two streams differ by."""
    apart = [
        torch.einsum("lpw,lwt->lpt", other - stream, found.weight[:, -1].cpu()).square().sum(-1)
        for found in heads.values()
    ]
    return torch.stack([*apart, (other.norm(dim=-1) - stream.norm(dim=-1)).square()]).permute(2, 0, 1)
