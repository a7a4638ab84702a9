"""Whether later blocks correct an answer that was put in place of theirs, or go on from it as if nothing had happened.

At one layer a quarter of the stream is exchanged for what the model writes at the same tokens after other examples:
at the query alone, or at every token, each pair being the prompt's own (`probe.evidence.donors`). What the layer
answers then moves towards the donor's answer. Blocks that iterate read it and, from the prompt's own examples, take it
back: gradient descent by a factor I - eta H a step. Blocks that compute their additions from the tokens alone carry
the shift along; where everything was fixed before, the answer follows the donor all the way.

Beside the whole stream, its part along the directions by which heads read the answer is exchanged alone. The states of
recurrent blocks are exchanged in `probe.evidence.exchanged_states`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from probe.capture import Captured, capture
from probe.evidence.causes.pairs import Pair, answered, each_pair, whole_pass
from probe.evidence.causes.table import About
from probe.evidence.donors import donor_at_query, donor_everywhere
from probe.evidence.layers import SOLVED
from probe.evidence.pushes import patterns
from probe.evidence.reading import READABLE, Reading, asked
from probe.interventions import last_alone, patching, remembered, resuming
from probe.probing.draws import Pass
from probe.probing.experiment import Experiment
from probe.randomness import PromptSource
from probe.statistics import RatioBootstrap, band_of

PLACES = ("query", "all tokens")
"""Where a quarter of the whole stream is exchanged."""
READ_PLACES = ("query, as read", "all tokens, as read")
"""Where its part along the directions that heads read the answer by at the query is."""
STATE = "states"
"""Where what a block remembers is exchanged, and not the stream."""
MIXED = 0.25
"""The share of the donor in the exchanged stream: small enough for later blocks to answer in proportion."""
SEEN = 0.25
"""The least share of the shift that a later layer reads, or takes back, for its answer to be compared."""


STREAMS = 6
"""Whole streams that are held of a batch of prompts at a time."""


@dataclass(frozen=True, eq=False)
class Moves:
    """What became of the exchanged answers of a batch of prompts, as products that `Exchanged` makes slopes of.

    Attributes:
        carry: of the shift that later layers read and the one at the layer of the exchange.
        unchanged: likewise, of the shift carried along.
        share: of the shift of the model's own answer and its whole way to the donor's.
        known: of the shift at the layer of the exchange and that way.
        own: the squares of the shifts at the layer of the exchange.
        way: the square of the whole way.
    """

    carry: Float64[Tensor, "prompt layer layer"]
    unchanged: Float64[Tensor, "prompt layer layer"]
    share: Float64[Tensor, "prompt layer"]
    known: Float64[Tensor, "prompt layer"]
    own: Float64[Tensor, "prompt layer"]
    way: Float64[Tensor, " prompt"]


@dataclass(frozen=True, eq=False)
class Exchanged:
    """What became of the exchanged answers, each as a slope on the shift that the layer's own reading saw.

    Attributes:
        place: one of `PLACES` or `READ_PLACES`, or `STATE`.
        carry: the shift that the readings of later layers saw, [layer of the exchange, later layer].
        unchanged: what they would have seen had no later block answered to the exchange; likewise.
        share: the shift of the model's own answer on its whole way to the donor's, by layer of the exchange.
        known: the shift of the layer's reading on the same whole way.
        readable: the layers whose reading errs little enough.
        unfinished: the layers that err by more than `SOLVED` more than the best one: where the answer is there, nothing
            is left to correct.
    """

    place: str
    carry: RatioBootstrap
    unchanged: RatioBootstrap
    share: RatioBootstrap
    known: RatioBootstrap
    readable: Bool[Tensor, " layer"]
    unfinished: Bool[Tensor, " layer"]

    def add(self, numbers: range, moves: Moves) -> None:
        """Adds prompts by their numbers."""
        own, way = moves.own[:, :, None].expand_as(moves.carry), moves.way[:, None].expand_as(moves.share)
        self.carry.update(numbers, moves.carry, own)
        self.unchanged.update(numbers, moves.unchanged, own)
        self.share.update(numbers, moves.share, way)
        self.known.update(numbers, moves.known, way)

    @property
    def site(self) -> str:
        """What it is called in records."""
        return f"exchanged {'in' if self.place == STATE else 'at'} {self.place}"

    def rows(self, about: About) -> list[dict[str, Any]]:
        """Returns a record's rows of the readable layers that a block follows; ``other_layer`` is the later layer."""
        about, site = replace(about, evidence="loop"), self.site
        carry, response = self.carry.draws(), self.carry.draws() - self.unchanged.draws()
        # heads of successive layers may turn an answer round, and read more or less of it: what they see of the shift
        # is laid beside how much of it they would have seen, block by block
        gap = carry - self.unchanged.draws().abs()
        whole = {"share": band_of(self.share.draws()), "known": band_of(self.known.draws())}
        rows = []
        for layer in self._layers():
            before = torch.cat([torch.zeros_like(gap[:, layer, :1]), gap[:, layer, layer + 1 : -1]], dim=1)
            taken = torch.zeros_like(gap[:, layer])
            taken[:, layer + 1 :] = before - gap[:, layer, layer + 1 :]
            for metric, draws in (("carry", carry[:, layer]), ("response", response[:, layer]), ("taken back", taken)):
                band = band_of(draws)
                rows += [
                    about.row(site, metric, band, later, layer, head="read", other_layer=later)
                    for later in range(layer + 1, about.layers)
                ]
            rows += [about.row(site, metric, band, layer, layer, head="model") for metric, band in whole.items()]
        return rows + self._kept_rows(about, site)

    def _kept_rows(self, about: About, site: str) -> list[dict[str, Any]]:
        """Returns what is left of each layer's answer at the last later layer that can tell, bands for all at once."""
        told = list(self.judged_layers.items())
        if not told:
            return []
        carry, unchanged = (
            torch.stack([one.draws()[:, layer, later] for layer, later in told], dim=1)
            for one in (self.carry, self.unchanged)
        )
        # a layer whose reading does not see the shift as it was carried along is judged by what it sees of an answer
        unit = unchanged.abs().where(unchanged[0].abs() >= SEEN, 1.0)
        band = band_of(carry / unit, simultaneous=True)
        return [
            about.row(site, "kept", band, cell, layer, head="read", other_layer=later)
            for cell, (layer, later) in enumerate(told)
        ]

    @property
    def judged_layers(self) -> dict[int, int]:
        """The layers of which a correction is asked, and for each the later layer that is judged."""
        judged = {layer: self.judged(layer) for layer in self._layers() if self.unfinished[layer]}
        return {layer: later for layer, later in judged.items() if later is not None}

    def _layers(self) -> list[int]:
        last = len(self.readable) - 1
        return [layer for layer in self.readable.nonzero()[:, 0].tolist() if 0 < layer < last]

    def judged(self, layer: int) -> int | None:
        """Returns the last later layer whose reading sees the shift, or an answer to it; None where there is none."""
        unchanged = self.unchanged.estimate()[layer]
        response = self.carry.estimate()[layer] - unchanged
        seen = (unchanged.abs() >= SEEN) | (response.abs() >= SEEN)
        found = [later for later in range(layer + 1, len(seen)) if seen[later]]
        return found[-1] if found else None


def nothing_yet(place: str, experiment: Experiment, read: Reading, pass_: Pass) -> Exchanged:
    """Returns the record of an exchange before the first prompt."""
    layers = experiment.layers
    errors = read.errors(pass_).estimate()

    def empty(*shape: int) -> RatioBootstrap:
        return RatioBootstrap(shape, seed=pass_.seed)

    return Exchanged(
        place=place,
        carry=empty(layers, layers),
        unchanged=empty(layers, layers),
        share=empty(layers),
        known=empty(layers),
        readable=errors < READABLE,
        unfinished=errors > errors.min() + SOLVED,
    )


def exchanged(
    experiment: Experiment, read: Reading, pass_: Pass, heads: Float64[Tensor, "layer number width"]
) -> list[Exchanged]:
    """Exchanges the stream at the query, and at all tokens, layer by layer, on the score prompts.

    Args:
        heads: what is read of the answer at the query, one row a number, for `READ_PLACES`.

    Returns:
        One record a place, of `PLACES` and then of `READ_PLACES`.

    Raises:
        ProbeError: if the task has no query whose answer is one number.
    """
    found = [nothing_yet(place, experiment, read, pass_) for place in (*PLACES, *READ_PLACES)]
    along = torch.einsum("lwn,lnv->lwv", patterns(experiment, heads, pass_), heads)
    drawn = experiment.task.draw(PromptSource(pass_.seed, "score", [0]), experiment.longest)

    def moves_of(twin: Experiment, pair: Pair) -> list[Moves]:
        own = whole_pass(twin, pair.own)
        theirs_there, donor = donor_at_query(twin, pair, own.stream)
        whole = [theirs_there, donor_everywhere(twin, pair, theirs_there, drawn.queries)]
        as_read = [own.stream + torch.einsum("lwv,lptv->lptw", along.to(own.stream), one - own.stream) for one in whole]
        turn = Turn(pair, own.stream, answered(twin, own), answered(twin, donor))
        memory, query = remembered(twin.model, own.stream), own.stream.shape[2] - 1
        made = []
        for one, theirs in zip(found, [*whole, *as_read], strict=True):
            with last_alone(twin.model, None if _everywhere(one.place) else memory, query):
                made.append(_exchange(twin, read, one.place, turn, theirs))
        return made

    for pair, each in each_pair(experiment, pass_, moves_of, STREAMS):
        for one, moves in zip(found, each, strict=True):
            one.add(pair.numbers, moves)
    return found


@dataclass(frozen=True, eq=False)
class Turn:
    """A batch of prompts whose streams are exchanged.

    Attributes:
        own: the prompts' own stream.
        before: the model's answer as it is.
        whole: its answer after the donor's examples.
    """

    pair: Pair
    own: Float[Tensor, "layer prompt time width"]
    before: Float64[Tensor, " prompt"]
    whole: Float64[Tensor, " prompt"]


def _everywhere(place: str) -> bool:
    return place.startswith("all tokens")


def _exchange(
    experiment: Experiment,
    read: Reading,
    site: str,
    turn: Turn,
    theirs: Float[Tensor, "layer prompt time width"],
) -> Moves:
    """Exchanges the stream at one of the places, layer by layer."""
    own, time = turn.own, turn.own.shape[2]
    places = torch.arange(time if _everywhere(site) else 1, device=experiment.device)
    places = places + time - len(places)
    vectors = (theirs - own)[:, :, -1].cpu().double()
    runs: dict[int, Captured] = {}
    for layer in range(1, experiment.layers):
        mixed = own[layer] + MIXED * (theirs - own)[layer]
        place = experiment.model.places[layer]
        with resuming(experiment.model, layer, own[layer]), patching(place, places, mixed[:, places]):
            runs[layer] = capture(experiment.model, turn.pair.own, places[-1:])
    return moves_after(experiment, read, turn, runs, vectors)


def moves_after(
    experiment: Experiment,
    read: Reading,
    turn: Turn,
    runs: Mapping[int, Captured],
    vectors: Float64[Tensor, "layer prompt width"],
) -> Moves:
    """Returns what became of the exchanged answers of a batch of prompts.

    Args:
        runs: the passes in which a quarter was exchanged, at the query, by the layer of the exchange.
        vectors: by how much the stream at the query would move at that layer, had all been exchanged.
    """
    layers = experiment.layers
    x = asked(experiment, turn.pair.own[:, -1].cpu())
    shifts = read.of(vectors, x, shift=True)
    carry, unchanged = (torch.zeros(len(x), layers, layers, dtype=torch.float64) for _ in range(2))
    share = torch.zeros(len(x), layers, dtype=torch.float64)
    way = turn.whole - turn.before
    for layer, after in runs.items():
        moved = (after.stream[:, :, 0] - turn.own[:, :, -1]).cpu().double() / MIXED
        # hooks that look and hooks that change may come in either order where the stream is exchanged
        moved[layer] = vectors[layer]
        moved[:layer] = 0.0  # earlier layers are as they were, whether or not the pass went through them
        along = vectors[layer].expand(layers, -1, -1)
        carry[:, layer] = (read.of(moved, x, shift=True) * shifts[layer]).T
        unchanged[:, layer] = (read.of(along, x, shift=True) * shifts[layer]).T
        share[:, layer] = (answered(experiment, after) - turn.before) / MIXED * way
    return Moves(carry, unchanged, share, (shifts * way).T, shifts.square().T, way.square())
