"""How long the evidence on a claim will take, by what was measured of the kinds that were gathered so far."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from probe.probing.draws import Pass
from probe.probing.experiment import Experiment
from probe.progress import Expected, Report

HEADS = "heads"
"""What comes before the first kind of evidence."""


@dataclass(frozen=True)
class Effort:
    """How much work a kind of evidence is, in units of one prompt's pass through the model.

    Attributes:
        fit: for every prompt that heads are fitted on, those that choose penalties among it.
        score: for every prompt that is scored, at a model of eight blocks.
        by_block: whether a scored prompt's work grows with the number of blocks.
        asked: for every prompt that algorithms are compared on.
    """

    fit: float = 0.0
    score: float = 0.0
    by_block: bool = False
    asked: float = 0.0

    def of(self, experiment: Experiment, pass_: Pass, asked: int) -> float:
        """Returns the work on one checkpoint."""
        blocks = (experiment.layers - 1) / 8 if self.by_block else 1.0
        return self.fit * pass_.prompts + self.score * blocks * pass_.score + self.asked * asked


EFFORTS: Mapping[str, Effort] = {
    HEADS: Effort(fit=1.25, score=1.0),
    "curve": Effort(),
    "trend": Effort(fit=1.25, score=4.0),
    "matching": Effort(asked=150.0),
    "nulls": Effort(fit=2.5, score=2.0),
    "known": Effort(fit=7.5, score=6.0),
    "states": Effort(fit=12.0, score=12.0),
    "influence": Effort(score=12.0),
    "causes": Effort(score=120.0, by_block=True),
    "loop": Effort(score=55.0, by_block=True),
    "map": Effort(score=4.0, by_block=True),
    "online": Effort(fit=12.0, score=16.0),
    "spectral": Effort(),
}
"""What each kind took of a Mamba of eight blocks, rounded; of others it takes other shares.

No time is foreseen, only how kinds compare: what is left is revised with every kind that is over.
"""


class Course:
    """Says which kind of evidence is gathered, and what is left of all, by the pace of what is over.

    Args:
        kinds: their names in order with their efforts; of those that are left out 0.
        clock: returns the time in seconds.
    """

    def __init__(
        self, kinds: Sequence[tuple[str, float]], report: Report, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._kinds, self._report, self._clock = kinds, report, clock
        self._place, self._first, self._began = 0, clock(), clock()

    def begin(self, place: int) -> None:
        """Goes on to the kind at a place, when all before it are over."""
        self._place, self._began = place, self._clock()
        self.tell()

    def tell(self) -> None:
        """Reports the kind that is gathered, how many are over, and what is left."""
        text = Expected.of(self._kinds[self._place][0], self.left())
        self._report(text, self._place, len(self._kinds))

    def left(self) -> float | None:
        """Returns the seconds that are left, at the pace so far; None as long as nothing is over."""
        over = sum(effort for _, effort in self._kinds[: self._place])
        if not over:
            return None
        now, here = self._clock(), self._kinds[self._place][1]
        spent, lately = self._began - self._first, now - self._began
        # a kind that takes longer than it should have says that all take longer
        pace = max(spent / over, (spent + lately) / (over + here))
        rest = sum(effort for _, effort in self._kinds[self._place + 1 :])
        return max(pace * here - lately, 0.0) + pace * rest
