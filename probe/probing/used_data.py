"""The rows of data that heads use: enough of them count wherever heads read, and what they are asked for varies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor

from probe.data import CategoricalData, DataTask, weights_of
from probe.errors import ProbeError
from probe.probing.draws import FEWEST_SCORED, Pass
from probe.randomness import PromptSource, Purpose
from probe.tasks import Prompts
from probe.tasks.prompts import only

DONE: dict[Purpose, str] = {"fit": "to fit on", "select": "to select on", "score": "to score on"}


@dataclass
class Used:
    """What the rows of one purpose hold, of those that count.

    Attributes:
        counted: how many there are at each context.
        codes: the categories that occur, by their numbers.
        ends: the smallest and the largest number of a target of real ones, at each context.
        units: the groups that they are of.
    """

    counted: Int[Tensor, " context"]
    codes: set[int] = field(default_factory=set)
    ends: tuple[Float[Tensor, "context target"], Float[Tensor, "context target"]] | None = None
    units: set[int] = field(default_factory=set)

    def add(self, prompts: Prompts, units: Sequence[int], categorical: bool) -> None:
        """Adds the rows of a batch."""
        counts = prompts.counted & (weights_of(prompts) > 0)
        self.counted += counts.sum(0)
        self.units |= {unit for unit, one in zip(units, counts.any(1).tolist(), strict=True) if one}
        if categorical:
            self.codes |= set(prompts.targets[..., 0][counts].tolist())
            return
        low, high = (prompts.targets.where(counts[..., None], end) for end in (torch.inf, -torch.inf))
        ends = low.amin(0), high.amax(0)
        self.ends = ends if self.ends is None else (ends[0].minimum(self.ends[0]), ends[1].maximum(self.ends[1]))

    @property
    def varies(self) -> bool:
        """Whether the target differs between two rows."""
        return len(self.codes) > 1 if self.ends is None else bool((self.ends[0] < self.ends[1]).any())


def check_used(task: DataTask, pass_: Pass, longest: int, chosen: Tensor, width: int | None) -> None:
    """Refuses data of which too little counts among the rows that are used; what the first pass has shown is not read.

    Args:
        chosen: which of the tokens that heads read are asked for, by their numbers.
        width: of the widest stream that heads are fitted on; None where none is.

    Raises:
        ProbeError: if there are too few rows at a context, or a head would be fitted to what does not vary.
    """
    purposes: tuple[Purpose, ...] = ("score",) if width is None else ("fit", "select", "score")
    if task.survey.whole and all(pass_.count(purpose) >= task.available(purpose) for purpose in purposes):
        return
    contexts = [task.contexts[place] for place in chosen.tolist()]
    found = {purpose: _used(task, pass_, purpose, longest, chosen) for purpose in purposes}
    needed = {"score": FEWEST_SCORED, "select": 1, "fit": 0 if width is None else 2 * (width + 1)}
    for purpose, used in found.items():
        few = used.counted < needed[purpose]
        if few.any():
            enough = [str(context) for context, lacks in zip(contexts, few.tolist(), strict=True) if not lacks]
            place = int(few.nonzero()[0])
            raise ProbeError(
                f"Of the prompts of {task.name} {DONE[purpose]}, {int(used.counted[place])} of {pass_.count(purpose)} "
                f"count at the token {contexts[place]} by mask and weights, but {needed[purpose]} are needed there. "
                + (
                    f"Read others, by positions or by --context {','.join(enough[:20])} of probe fit."
                    if enough
                    else "Give more prompts."
                )
            )
    if len(task.survey.units["score"]) and len(found["score"].units) < FEWEST_SCORED // 4:
        raise ProbeError(
            f"{task.name} has {len(found['score'].units)} groups among the prompts to score on that are used, but "
            f"bands that resample groups need at least {FEWEST_SCORED // 4}. Give more --score."
        )
    if width is not None:
        _check_varies(task, found)


def _check_varies(task: DataTask, found: dict[Purpose, Used]) -> None:
    if not found["fit"].varies:
        raise ProbeError(
            f"The target {task.target} of {task.name} is constant among the prompts to fit on that are used and count, "
            "but a head needs one that varies. Give more --prompts, or another target."
        )
    for purpose in ("select", "score"):
        unseen = sorted(found[purpose].codes - found["fit"].codes)
        if unseen and isinstance(task, CategoricalData):
            raise ProbeError(
                f"The target {task.target} of {task.name} has the category {str(task.categories[unseen[0]])[:40]} "
                f"among the prompts {DONE[purpose]} and not among those to fit on that are used and count, where a "
                "head would learn it. Give more --prompts, or drop them."
            )


def _used(task: DataTask, pass_: Pass, purpose: Purpose, longest: int, chosen: Tensor) -> Used:
    found = Used(torch.zeros(len(chosen), dtype=torch.int64))
    for numbers in pass_.batches(purpose):
        prompts = only(task.draw(PromptSource(pass_.seed, purpose, numbers), longest), chosen)
        found.add(prompts, task.units(purpose, numbers), isinstance(task, CategoricalData))
    return found
