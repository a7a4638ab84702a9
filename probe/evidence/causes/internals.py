"""What the model's answer loses when an inner quantity of its Mamba blocks is switched off.

At zero the quantity is gone; at its mean over prompts and tokens it only stops depending on them, which takes nothing
else away.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float64
from torch import Tensor

from probe.capture import Captured
from probe.evidence.causes.pairs import Pair, answer, answered, each_pair, whole_pass
from probe.evidence.causes.table import About, band_of
from probe.interventions import INTERNALS, holding, internals_of, mambas, means, resuming, zeros
from probe.interventions.internals import Constants
from probe.models.mamba import Mamba
from probe.probing.draws import Pass
from probe.probing.experiment import Experiment
from probe.randomness import PromptSource
from probe.statistics import RatioBootstrap, difference

AVERAGED = 256
"""Selection prompts that means are taken over, at most; each has all of its tokens."""


@dataclass(frozen=True, eq=False)
class SwitchedOff:
    """The error of the model's answer with something switched off.

    Attributes:
        cells: how (``mean`` or ``zero``), what, and the layer of the block, or None for all blocks together.
        errors: by cell.
        whole: of the model as it is.
    """

    cells: list[tuple[str, str, int | None]]
    errors: RatioBootstrap
    whole: RatioBootstrap

    def rows(self, about: About) -> list[dict[str, Any]]:
        """Returns a record's rows: the error, and what it adds to that of the model as it is."""
        bands = {"error": band_of(self.errors), "added": difference(self.errors, self.whole)}
        return [
            about.row(f"{how}:{name}", metric, band, cell, layer)
            for metric, band in bands.items()
            for cell, (how, name, layer) in enumerate(self.cells)
        ]


def switch_off(experiment: Experiment, pass_: Pass) -> SwitchedOff:
    """Switches off every internal of every Mamba block, alone and in all blocks, and measures the error.

    Raises:
        ProbeError: if the model has no Mamba block of our own.
    """
    mixers = mambas(experiment.model)
    held = {
        "mean": means(experiment.model, mixers, _selection(experiment, pass_)),
        "zero": {layer: zeros(mixer) for layer, mixer in mixers.items()},
    }
    blocks = {(name, layer): _having(mixers, name, layer) for name in INTERNALS for layer in (*mixers, None)}
    cells = [(how, name, layer) for how in held for (name, layer), having in blocks.items() if having]
    errors = RatioBootstrap((len(cells),), seed=pass_.seed)
    whole = RatioBootstrap((1,), seed=pass_.seed)

    def answers_of(twin: Experiment, pair: Pair) -> tuple[Tensor, Tensor]:
        done: dict[tuple[str, str, tuple[int, ...]], Tensor] = {}
        own, own_mixers = whole_pass(twin, pair.own), mambas(twin.model)
        for how, name, layer in cells:
            key = how, _alike(how, name), blocks[name, layer]
            if key not in done:
                constants = {at: {name: held[how][at][name]} for at in blocks[name, layer]}
                done[key] = _answer_holding(twin, pair, own, own_mixers, constants)
        answers = torch.stack([done[how, _alike(how, name), blocks[name, layer]] for how, name, layer in cells])
        return answers, answered(twin, own)

    for pair, (answers, before) in each_pair(experiment, pass_, answers_of):
        guess = pair.target.square()[:, None]
        errors.update(pair.numbers, (answers - pair.target).square().T, guess)
        whole.update(pair.numbers, (before - pair.target).square()[:, None], guess)
    return SwitchedOff(cells, errors, whole)


def _having(mixers: Mapping[int, Mamba], name: str, layer: int | None) -> tuple[int, ...]:
    """Returns the layers, of this one or of all, whose mixers have an internal of this name."""
    return tuple(at for at, mixer in mixers.items() if layer in (at, None) and name in internals_of(mixer))


def _alike(how: str, name: str) -> str:
    """Returns the internal that does the same: at zero some leave a block nothing to write, others its skip alone."""
    return {"gate": "convolution", "B": "delta", "C": "delta"}.get(name, name) if how == "zero" else name


def _answer_holding(
    experiment: Experiment,
    pair: Pair,
    own: Captured,
    mixers: Mapping[int, Mamba],
    constants: Mapping[int, Constants],
) -> Float64[Tensor, " prompt"]:
    before = min(constants) - 1
    with ExitStack() as stack:
        stack.enter_context(resuming(experiment.model, before, own.stream[before]))
        for layer, held in constants.items():
            stack.enter_context(holding(mixers[layer], held))
        return answer(experiment, pair.own)


def _selection(experiment: Experiment, pass_: Pass) -> Iterator[Tensor]:
    for numbers in pass_.batches("select", AVERAGED):
        source = PromptSource(pass_.seed, "select", numbers)
        yield experiment.task.draw(source, experiment.longest).inputs.to(experiment.device)
