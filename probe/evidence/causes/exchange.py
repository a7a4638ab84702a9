"""Whether the answer that a head reads at a layer is the one the model goes on with.

The stream at the query, at one layer, is exchanged for that of the same query after another prompt's examples
(activation patching: Vig et al., 2020, arXiv:2004.12265). If the head's answer is what later blocks build on, the
model's answer moves by what the head's does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from probe.capture import capture
from probe.evidence.causes.pairs import Pair, answer, answered, at_query, each_pair, last, readings, whole_pass
from probe.evidence.causes.shifts import Shifts
from probe.evidence.causes.table import About
from probe.heads import LinearHeads
from probe.interventions import patching, resuming
from probe.probing.draws import Pass
from probe.probing.experiment import Experiment


@dataclass(frozen=True, eq=False)
class Exchange:
    """How the model's answer moves when the stream at the query is exchanged, one cell a layer.

    Attributes:
        predicted: by the head, the shift of the answer against that of what the head reads at the layer.
        donor: against the whole way to the model's answer after the donor's examples.
    """

    predicted: dict[str, Shifts]
    donor: Shifts

    def rows(self, about: About) -> list[dict[str, Any]]:
        """Returns a record's rows: R2 and slope by head, and the share of the way to the donor's answer."""
        layers = range(about.layers)
        found = [
            row
            for head, shifts in self.predicted.items()
            for metric, band in (("r2", shifts.r2()), ("slope", shifts.slope()))
            for row in about.rows("stream", metric, band, layers, head=head)
        ]
        return found + about.rows("stream", "share", self.donor.slope(), layers)


def exchange(experiment: Experiment, heads: LinearHeads, pass_: Pass) -> Exchange:
    """Exchanges the stream at the query, layer by layer, on the score prompts.

    Args:
        heads: for y, fitted at every layer of this experiment.
    """
    predicted = {head: Shifts(experiment.layers, pass_.seed) for head in ("linear", "lens")}
    donor = Shifts(experiment.layers, pass_.seed)

    def shifts_of(twin: Experiment, pair: Pair) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        query = last(pair.own)
        own, theirs = whole_pass(twin, pair.own), capture(twin.model, pair.donor, query)
        before, whole = answered(twin, own), answered(twin, theirs)
        moved = []
        with at_query(twin, own):
            for layer, place in enumerate(twin.model.places):
                go_on = resuming(twin.model, layer, own.stream[layer])
                with go_on, patching(place, query, theirs.stream[layer]):
                    moved.append(answer(twin, pair.own) - before)
        here, there = (readings(twin, heads, found.stream[:, :, -1:]) for found in (own, theirs))
        return torch.stack(moved), whole - before, {head: there[head] - here[head] for head in predicted}

    for pair, (actual, way, read) in each_pair(experiment, pass_, shifts_of):
        for head, shifts in predicted.items():
            shifts.add(pair.numbers, actual, read[head], pair.target)
        donor.add(pair.numbers, actual, way.expand_as(actual), pair.target)
    return Exchange(predicted, donor)
