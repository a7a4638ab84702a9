"""Whether later blocks respond to the answer that stands in the stream, or carry it along as it is.

What heads read at the query is moved by a small known amount at one layer, and read again at every later layer. Blocks
that iterate take part of it back, gradient descent by a factor I - eta H a step; blocks that compute their additions
from the tokens alone (an open loop), or uncover what an earlier block had finished, write what they would have written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float64
from torch import Tensor

from probe.capture import Captured, capture
from probe.evidence.causes import About
from probe.evidence.causes.pairs import Pair, answered, at_query, each_pair, last, whole_pass
from probe.evidence.causes.shifts import Shifts
from probe.evidence.pushes import Push, imposed, pushes
from probe.heads import LinearHeads
from probe.interventions import resuming, steering
from probe.probing.draws import Pass
from probe.probing.experiment import Experiment
from probe.statistics import Band, RatioBootstrap


@dataclass(frozen=True, eq=False)
class Felt:
    """What became of one quantity's shift, at every layer where it was imposed.

    Attributes:
        push: the quantity.
        carry: by what was read (``y``, ``w``), for each layer of the push the shift that the heads of every layer
            read, against the imposed one.
        response: likewise, without what the same vector gives when it is carried along unchanged: what later blocks
            wrote on account of it, 0 where nothing reads what was moved, whatever the heads.
        kept: the shift that the heads of every layer read, against what they read of the same vector carried along
            unchanged: 1 where no block between responds, the factors of I - eta H where gradient descent does.
        answer: the shift of the model's own answer against the imposed one, one cell a layer of the push.
    """

    push: Push
    carry: dict[str, list[Shifts]]
    response: dict[str, list[Shifts]]
    kept: dict[str, list[Shifts]]
    answer: Shifts


@dataclass(frozen=True, eq=False)
class ClosedLoop:
    """What later blocks do with the answer that stands at the query.

    Attributes:
        felt: one a quantity and way.
        fixed: the share of the way to the donor's answer that the model's answer goes when the whole stream at the
            query is exchanged, one cell a layer.
        known: 1 minus the error of the head for y, one cell a layer.
    """

    felt: list[Felt]
    fixed: Shifts
    known: Band

    def rows(self, about: About) -> list[dict[str, Any]]:
        """Returns a record's rows."""
        about = replace(about, evidence="loop")
        rows = [found for felt in self.felt for found in _felt_rows(felt, about)]
        for metric, band, head in (("share", self.fixed.slope(), "model"), ("read", self.known, "linear")):
            rows += [
                about.row("query", metric, band, layer, layer, head=head)
                for layer in range(about.layers)
                if not band.value[layer].isnan()
            ]
        return rows


def closed_loop(
    experiment: Experiment,
    heads: Mapping[str, LinearHeads],
    errors: Mapping[str, RatioBootstrap],
    fixed: Shifts,
    pass_: Pass,
) -> ClosedLoop:
    """Moves what heads read at the query, layer by layer, on the score prompts after the largest context.

    Args:
        heads: for ``y`` and, where the task has one, ``w``, fitted at every layer of this experiment.
        errors: of the same heads, one a layer.
        fixed: how far the model's answer goes to the donor's where the whole stream at the query is exchanged, by layer
            (`probe.evidence.causes.exchange`).

    Raises:
        ProbeError: if the task has no query whose answer is one number.
    """
    felt = [_nothing_yet(push, experiment, pass_) for push in pushes(experiment, heads, errors, pass_)]

    def moves_of(twin: Experiment, pair: Pair) -> list[_Moves]:
        plain = whole_pass(twin, pair.own)
        with at_query(twin, plain):
            return [_moved(twin, one.push, pair, plain, pass_.seed) for one in felt]

    for pair, moves in each_pair(experiment, pass_, moves_of):
        for one, found in zip(felt, moves, strict=True):
            _feel(one, pair, found)
    error, (low, high) = errors["y"].estimate(), errors["y"].interval()
    return ClosedLoop(felt, fixed, Band(1 - error, 1 - high, 1 - low))


def _nothing_yet(push: Push, experiment: Experiment, pass_: Pass) -> Felt:
    read = ("y",) if push.name == "y" else ("w", "y")

    def empty() -> dict[str, list[Shifts]]:
        return {name: [Shifts(experiment.layers, pass_.seed) for _ in push.layers] for name in read}

    return Felt(push, empty(), empty(), empty(), Shifts(len(push.layers), pass_.seed))


@dataclass(frozen=True, eq=False)
class _Moves:
    """A batch of prompts on which a quantity was moved.

    Attributes:
        asked: by how much each number of it.
        read: by layer of the push, what the heads of every layer read of the shift; ``unchanged`` of the same vector
            carried along.
        answers: by layer of the push, the shifts of the model's own answer.
    """

    asked: Float64[Tensor, "prompt number"]
    read: list[Float64[Tensor, "number layer prompt"]]
    unchanged: list[Float64[Tensor, "number layer prompt"]]
    answers: list[Float64[Tensor, " prompt"]]


def _moved(experiment: Experiment, push: Push, pair: Pair, plain: Captured, seed: int) -> _Moves:
    """Moves the quantity at each of its layers, and returns what is read from then on."""
    query = last(pair.own)
    found = _Moves(imposed(push, pair, experiment, seed), [], [], [])
    before = answered(experiment, plain)
    for layer in push.layers:
        vector = found.asked @ push.inverse[layer].T
        place, added = experiment.model.places[layer], vector[:, None].to(experiment.device)
        with resuming(experiment.model, layer, plain.stream[layer]), steering(place, query, added):
            after = capture(experiment.model, pair.own, query)
        found.answers.append(answered(experiment, after) - before)
        shift = (after.stream[:, :, 0] - plain.stream[:, :, -1]).cpu().double()
        shift[:layer] = 0.0  # earlier layers are as they were, whether or not the pass went through them
        # hooks that look and hooks that change may come in either order where the vector is added
        shift[layer] = vector
        found.read.append(torch.einsum("lpw,lnw->nlp", shift, push.heads))
        found.unchanged.append(torch.einsum("pw,lnw->nlp", vector, push.heads))
    return found


def _feel(felt: Felt, pair: Pair, moves: _Moves) -> None:
    """Adds what was read on some prompts."""
    for cell, (read, unchanged) in enumerate(zip(moves.read, moves.unchanged, strict=True)):
        for number in range(read.shape[0]):
            name = "y" if number == read.shape[0] - 1 else "w"
            wanted = moves.asked[:, number].expand(read.shape[1], -1)
            written = read[number] - unchanged[number]
            felt.carry[name][cell].add(pair.numbers, read[number], wanted, pair.target)
            felt.response[name][cell].add(pair.numbers, written, wanted, pair.target)
            felt.kept[name][cell].add(pair.numbers, read[number], unchanged[number], pair.target)
    if moves.answers:
        actual = torch.stack(moves.answers)
        felt.answer.add(pair.numbers, actual, moves.asked[:, -1].expand_as(actual), pair.target)


def _felt_rows(felt: Felt, about: About) -> list[dict[str, Any]]:
    site, rows = f"query, {felt.push.name} by {felt.push.way}", []
    for metric, shifts in (("carry", felt.carry), ("response", felt.response), ("kept", felt.kept)):
        for name, each in shifts.items():
            for layer, found in zip(felt.push.layers, each, strict=True):
                band = found.slope()
                head = "linear" if name == "y" else "linear, w"
                rows += [
                    about.row(site, metric, band, later, layer, head=head, other_layer=later)
                    for later in range(layer, about.layers)
                    if not band.value[later].isnan()
                ]
    if felt.push.layers:
        band = felt.answer.slope()
        rows += [
            about.row(site, "carry", band, cell, layer, head="model") for cell, layer in enumerate(felt.push.layers)
        ]
    return rows
