"""Whether what recurrent blocks remember of the examples is what the answer is made of.

The states after another prompt's examples are put under a prompt's query, in one block or in all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from probe.capture import Captured, capture
from probe.evidence.causes.pairs import Pair, answer, answered, each_pair, last, readings, whole_pass
from probe.evidence.causes.shifts import Shifts
from probe.evidence.causes.table import About
from probe.heads import LinearHeads
from probe.interventions import last_alone, recurrent, remembered, resuming, states_after
from probe.interventions.mixers import State
from probe.interventions.query import Remembered
from probe.models.mamba import Mamba
from probe.probing.draws import Pass
from probe.probing.experiment import Experiment

STREAMS = 4
"""Whole streams that take as much memory as what is held of a pair of prompts, its states among it."""


@dataclass(frozen=True, eq=False)
class StateExchange:
    """How the model's answer moves when states are exchanged, by site; one cell a block, and one for all together.

    The site ``state`` is all that a block remembers; ``state:h`` of a Mamba the scan's part alone, without the last
    tokens of the short convolution.

    Attributes:
        layers: of the blocks, by site.
        donor: against the way to the model's answer after the donor's examples; the last cell is all blocks. Of a
            model without attention, all states together must give the donor's answer: nothing else knows its examples.
        predicted: by site and head, against the shift of what the head reads after the block; blocks alone.
    """

    layers: dict[str, list[int]]
    donor: dict[str, Shifts]
    predicted: dict[tuple[str, str], Shifts]

    def rows(self, about: About) -> list[dict[str, Any]]:
        """Returns a record's rows: how near the answer comes to the donor's, how near it stays, and R2 by head."""
        found = []
        for site, shifts in self.donor.items():
            bands = {"share": shifts.slope(), "donor_r2": shifts.reached(), "own_r2": shifts.kept()}
            for metric, band in bands.items():
                found += about.rows(site, metric, band, [*self.layers[site], None])
        for (site, head), shifts in self.predicted.items():
            found += about.rows(site, "r2", shifts.r2(), self.layers[site], head=head)
        return found


def exchange_states(experiment: Experiment, heads: LinearHeads, pass_: Pass) -> StateExchange:
    """Exchanges the states after the examples, block by block and in all blocks, on the score prompts.

    Args:
        heads: for y, fitted at every layer of this experiment.

    Raises:
        ProbeError: if no block of ours has a state.
    """
    mixers = recurrent(experiment.model)
    chosen: dict[str, dict[int, nn.Module]] = {"state": mixers, "state:h": {}}
    chosen["state:h"] = {at: each for at, each in mixers.items() if isinstance(each, Mamba)}
    donor = {site: Shifts(len(found) + 1, pass_.seed) for site, found in chosen.items() if found}
    predicted = {(site, head): Shifts(len(chosen[site]), pass_.seed) for site in donor for head in ("linear", "lens")}

    def moves_of(twin: Experiment, pair: Pair) -> tuple[Tensor, dict[str, tuple[Tensor, dict[str, Tensor]]]]:
        before = whole_pass(twin, pair.own)
        read, first = readings(twin, heads, before.stream[:, :, -1:]), answered(twin, before)
        way = answer(twin, pair.donor) - first
        own_mixers = recurrent(twin.model)
        theirs, memory = states_after(twin.model, own_mixers, pair.donor[:, :-1]), remembered(twin.model, before.stream)
        own = states_after(twin.model, own_mixers, pair.own[:, :-1]) if memory is None else memory
        mixed = {layer: (*own[layer][:-1], theirs[layer][-1]) for layer in own_mixers}
        found = {}
        for site in donor:
            some, states = {at: own_mixers[at] for at in chosen[site]}, theirs if site == "state" else mixed
            passes = [_run(twin, pair.own, before, memory, {at: states[at]}) for at in some]
            passes.append(_run(twin, pair.own, before, memory, {at: states[at] for at in some}))
            actual = torch.stack([twin.task.answer(one.output)[:, 0, 0].cpu().double() for one in passes]) - first
            after = {at: readings(twin, heads, one.stream) for at, one in zip(some, passes, strict=False)}
            shift = {head: torch.stack([new[head][at] - read[head][at] for at, new in after.items()]) for head in read}
            found[site] = actual, shift
        return way, found

    for pair, (way, moved) in each_pair(experiment, pass_, moves_of, STREAMS):
        for site, (actual, shifts) in moved.items():
            donor[site].add(pair.numbers, actual, way.expand_as(actual), pair.target)
            for head, shift in shifts.items():
                predicted[site, head].add(pair.numbers, actual[:-1], shift, pair.target)
    return StateExchange({site: list(chosen[site]) for site in donor}, donor, predicted)


def _run(
    experiment: Experiment,
    inputs: Tensor,
    before: Captured,
    memory: Remembered | None,
    changed: Mapping[int, State],
) -> Captured:
    """Returns the stream at the query, from the first block whose state is another on, and what is predicted there."""
    first = min(changed) - 1
    go_on = resuming(experiment.model, first, before.stream[first])
    with go_on, last_alone(experiment.model, memory, inputs.shape[1] - 1, changed):
        return capture(experiment.model, inputs, last(inputs))
