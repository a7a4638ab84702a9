"""What the model's answer loses when blocks are skipped, repeated or exchanged, or when it is read out early.

A block that improves the answer a little can be missed at a little cost, and steps of one algorithm may change places;
a block that alone solves cannot be missed at all (compare Veit et al., 2016, arXiv:1605.06431, on residual networks).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from probe.evidence.causes.pairs import Pair, answer, answered, each_pair, whole_pass
from probe.evidence.causes.table import About, band_of
from probe.interventions import resuming
from probe.interventions.blocks import Edit, editing, repeat, skip, swap
from probe.probing.draws import Pass
from probe.probing.experiment import Experiment
from probe.statistics import RatioBootstrap, difference


@dataclass(frozen=True, eq=False)
class EditedBlocks:
    """The error of the model's answer after every edit.

    Attributes:
        edits: what was done, and to which block: ``skip``, ``repeat``, or ``swap`` with the next one.
        errors: by edit.
        whole: of the model as it is.
    """

    edits: list[tuple[str, int]]
    errors: RatioBootstrap
    whole: RatioBootstrap

    def rows(self, about: About) -> list[dict[str, Any]]:
        """Returns a record's rows: the error after every edit, and what it adds to that of the model as it is."""
        bands = {"error": band_of(self.errors), "added": difference(self.errors, self.whole)}
        edited = [
            about.row(kind, metric, band, cell, block, other_layer=block + 1 if kind == "swap" else None)
            for metric, band in bands.items()
            for cell, (kind, block) in enumerate(self.edits)
        ]
        return [about.row("whole", "error", band_of(self.whole), 0), *edited]


def edit_blocks(experiment: Experiment, pass_: Pass) -> EditedBlocks:
    """Skips and repeats every block, exchanges every two neighbours, and measures the error on the score prompts.

    Raises:
        ProbeError: if the model's blocks are no modules that turn one stream into the next.
    """
    blocks = range(1, experiment.layers)
    edits: dict[tuple[str, int], Edit] = {("skip", block): skip(block) for block in blocks}
    edits |= {("repeat", block): repeat(block) for block in blocks}
    edits |= {("swap", block): swap(block) for block in blocks[:-1]}
    errors = RatioBootstrap((len(edits),), seed=pass_.seed)
    whole = RatioBootstrap((1,), seed=pass_.seed)

    def answers_of(twin: Experiment, pair: Pair) -> tuple[Tensor, Tensor]:
        answers, own = [], whole_pass(twin, pair.own)
        for (_, block), edit in edits.items():
            with resuming(twin.model, block - 1, own.stream[block - 1]), editing(twin.model, edit):
                answers.append(answer(twin, pair.own))
        return torch.stack(answers), answered(twin, own)

    for pair, (answers, before) in each_pair(experiment, pass_, answers_of):
        guess = pair.target.square()[:, None]
        errors.update(pair.numbers, (answers - pair.target).square().T, guess)
        whole.update(pair.numbers, (before - pair.target).square()[:, None], guess)
    return EditedBlocks(list(edits), errors, whole)


def exit_rows(errors: Mapping[str, RatioBootstrap], about: About) -> list[dict[str, Any]]:
    """Returns rows of what is read out when all later blocks are left out: by the model's decoder, and by heads.

    Args:
        errors: of ``linear`` and ``lens``, one a layer.
    """
    return [
        row
        for head, found in errors.items()
        for row in about.rows("exit", "error", band_of(found), range(about.layers), head=head)
    ]
