"""Whether one block's map is the next one's: each block is run in its neighbour's place, and the answers are read.

A loop applies one map again and again; a stack of gradient steps does, whatever its stream holds. In the turn of block
m runs block m + p, on the stream that block m reads, and in the turn of block m + p runs block m once more. What heads
read after that turn is laid beside what they read in the model as it is, in units of the step that the block itself
takes there. The period p is 1 where every block does the same, 2 where a step takes two (attention, then feed-forward).
The first block may prepare what the others repeat, as where Newton's iteration is given its first matrix.

Blocks that write the same whatever they read would leave what the neighbour writes in its own place: this is the null.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from probe.capture import observe
from probe.errors import ProbeError
from probe.evidence.causes import About
from probe.evidence.causes.pairs import whole_pass
from probe.evidence.reading import READABLE, Reading, asked
from probe.interventions import editing, resuming
from probe.probing.draws import Pass
from probe.probing.experiment import Experiment
from probe.probing.twins import each
from probe.randomness import PromptSource, Purpose
from probe.statistics import Band, RatioBootstrap, band_of

PERIODS = (1, 2, 3)
"""How many blocks a map may have."""
FEWEST = 3
"""The fewest exchanges that a period is judged by."""
TELLS = 0.005
"""The least mean square of a step, in units of that of y, that tells one map from another."""
CHOSEN_BY = 64
"""The selection prompts that choose the period."""
CLOSE = 0.02
"""A longer period must leave this much less of the steps than a shorter one to be chosen."""


@dataclass(frozen=True)
class Turn:
    """A block that runs in the turn of another, blocks numbered as the layers that they lead to."""

    layer: int
    other: int

    def takes_part(self, first: int) -> bool:
        """Returns whether both blocks stand at the first one or after it."""
        return min(self.layer, self.other) >= first


@dataclass(frozen=True, eq=False)
class OneMap:
    """What blocks leave of each other's steps, one cell a turn; all in units of the mean square of y.

    Attributes:
        period: how many blocks further the other one stands.
        first: the first block that is held to take the same step as others, 1 or 2.
        left: the mean square of the difference of what is read after the other block, and after the block itself.
        null: likewise, had the other block written what it writes in its own place.
        step: the mean square of the block's own step.
        readable: which turns lead to a layer whose reading errs little enough.
        site: what was moved: whole ``blocks``, or ``linear maps`` that were fitted to them.
    """

    period: int
    turns: tuple[Turn, ...]
    left: RatioBootstrap
    null: RatioBootstrap
    step: RatioBootstrap
    readable: tuple[bool, ...]
    site: str = "blocks"
    first: int = 1

    @property
    def small(self) -> list[int]:
        """The layers whose steps are too small to tell one map from another."""
        told = {self.turns[cell].layer for cell in self.telling}
        return sorted({turn.layer for turn in self.turns if turn.takes_part(self.first)} - told)

    @property
    def telling(self) -> list[int]:
        """The turns that take part, whose steps are large enough and can be read."""
        large = self.step.estimate() >= TELLS
        return [
            cell
            for cell, turn in enumerate(self.turns)
            if self.readable[cell] and large[cell] and turn.takes_part(self.first)
        ]

    def rows(self, about: About) -> list[dict[str, Any]]:
        """Returns a record's rows; ``step`` is the period, ``other_layer`` the block that ran in the layer's turn.

        Of all turns together, ``layer`` is the first block that takes part.
        """
        about, step, tells = replace(about, evidence="map"), self.step.draws(), self.telling
        shares = {name: one / step for name, one in self._apart().items()}
        rows = [
            about.row(self.site, metric, band_of(found), cell, turn.layer, other_layer=turn.other)
            for metric, found in ({"step": step} | shares).items()
            for cell, turn in enumerate(self.turns)
            if cell in tells or (metric == "step" and self.readable[cell])
        ]
        for metric, one in self._apart().items() if tells else ():
            rows.append(about.row(self.site, f"{metric}, all", self._pooled(one), 0, self.first))
        return [row | {"head": "read", "step": self.period} for row in rows]

    def pooled(self) -> float:
        """Returns the share of all steps together that is left; infinite where none tells."""
        return self._pooled(self.left.draws()).value.item() if self.telling else float("inf")

    def _apart(self) -> dict[str, Float64[Tensor, "draw turn"]]:
        left, null = self.left.draws(), self.null.draws()
        return {"left": left, "null": null, "gain": null - left}

    def _pooled(self, of: Float64[Tensor, "draw turn"]) -> Band:
        cells = self.telling
        return band_of((of[:, cells].sum(1) / self.step.draws()[:, cells].sum(1))[:, None])


def one_map(experiment: Experiment, read: Reading, pass_: Pass) -> OneMap:
    """Returns what is left on the score prompts, under the period that the selection prompts choose.

    Raises:
        ProbeError: if the model's blocks are no modules that turn one stream into the next, or too few.
    """
    periods = [period for period in PERIODS if experiment.layers - 1 - period >= FEWEST]
    if not periods:
        raise ProbeError(
            f"{experiment.checkpoint.name} has {experiment.layers - 1} blocks, but to exchange neighbours there must "
            f"be {FEWEST + 1} at least. Examine a deeper model."
        )
    measured = [_measure(experiment, read, pass_, "select", period) for period in periods]
    # the plainest first: every block alike, then the first one apart, then longer periods
    selected = [replace(one, first=first) for one in measured for first in _firsts(one)]
    least = min(one.pooled() for one in selected)
    chosen = next(one for one in selected if one.pooled() <= least + CLOSE)
    return replace(_measure(experiment, read, pass_, "score", chosen.period), first=chosen.first)


def _firsts(measured: OneMap) -> list[int]:
    """Returns with which block the repetition may begin, so that enough exchanges are left to judge it by."""
    return [first for first in (1, 2) if sum(turn.takes_part(first) for turn in measured.turns) >= 2 * FEWEST]


def _measure(experiment: Experiment, read: Reading, pass_: Pass, purpose: Purpose, period: int) -> OneMap:
    blocks = range(1, experiment.layers - period)
    turns = [turn for block in blocks for turn in (Turn(block, block + period), Turn(block + period, block))]
    readable = (read.errors(pass_, purpose).estimate() < READABLE).tolist()
    sums = {name: RatioBootstrap((len(turns),), seed=pass_.seed) for name in ("left", "null", "step")}
    for numbers, size, answers, edited in _read(experiment, read, pass_, purpose, turns):
        steps = answers.diff(dim=0)
        at, of = (torch.tensor([getattr(turn, side) - 1 for turn in turns]) for side in ("layer", "other"))
        apart = {"left": edited - answers[1:][at], "null": steps[of] - steps[at], "step": steps[at]}
        for name, difference in apart.items():
            sums[name].update(numbers, difference.square().T, size[:, None])
    reads = tuple(readable[turn.layer] for turn in turns)
    return OneMap(period, tuple(turns), sums["left"], sums["null"], sums["step"], reads)


def _read(
    experiment: Experiment, read: Reading, pass_: Pass, purpose: Purpose, turns: list[Turn]
) -> Iterator[
    tuple[range, Float64[Tensor, " prompt"], Float64[Tensor, "layer prompt"], Float64[Tensor, "turn prompt"]]
]:
    """Yields prompts' numbers, the squares of y, what each layer answers, and what it does after each turn."""

    def answers_of(twin: Experiment, numbers: range) -> tuple[Tensor, Tensor, Tensor]:
        prompts = twin.task.draw(PromptSource(pass_.seed, purpose, numbers), twin.longest)
        inputs, query = prompts.inputs.to(twin.device), prompts.queries[-1:].to(twin.device)
        x, whole = asked(twin, prompts.x[:, -1]), whole_pass(twin, inputs).stream
        plain, edited = whole.index_select(2, query)[:, :, 0], []
        for turn in turns:
            # a block that is left out could not run in another's turn
            after, before = plain.clone(), min(turn.layer, turn.other) - 1
            with resuming(twin.model, before, whole[before]), editing(twin.model, {turn.layer: (turn.other,)}):
                after[turn.layer] = _stream_at(twin, inputs, query, turn.layer)
            edited.append(read.of(after.cpu(), x)[turn.layer])
        return prompts.targets[:, -1, 0].double().square(), read.of(plain.cpu(), x), torch.stack(edited)

    batches = pass_.batches(purpose, CHOSEN_BY if purpose == "select" else None)
    for numbers, found in each(experiment, batches, answers_of, experiment.at_a_time(pass_)):
        yield numbers, *found


class _SeenError(Exception):
    """Ends a pass at the layer that was asked for, as what later blocks make of it is not."""


@torch.no_grad()
def _stream_at(
    experiment: Experiment, inputs: Float[Tensor, "prompt time dim"], query: Int[Tensor, " 1"], layer: int
) -> Float[Tensor, "prompt width"]:
    """Returns the stream at the query after a layer."""
    found: list[Tensor] = []

    def keep(seen: int, stream: Tensor) -> None:
        if seen == layer:
            found.append(stream.index_select(1, query)[:, 0].clone())
            raise _SeenError

    with suppress(_SeenError), observe(experiment.model.places, keep):
        experiment.model.run(inputs)
    return found[0]
