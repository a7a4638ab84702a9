"""What gradient descent would leave of an answer that is exchanged for another prompt's, at a model's own rates.

An exchanged w falls by I - eta H / L a step, H = X'X of the prompt's own examples and L its largest eigenvalue. The
rates are those of the family that was fitted to the layers' answers (`probe.evidence.families`), and the shift of w is
the one between the family's own weights after both prompts' examples.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float64
from torch import Tensor

from probe.evidence.answers import Asked
from probe.evidence.causes.table import About
from probe.evidence.families import FAMILIES
from probe.evidence.families.fit import fit
from probe.evidence.families.moments import moments
from probe.learners import Examples
from probe.probing.draws import Pass
from probe.probing.experiment import Experiment
from probe.randomness import PromptSource
from probe.statistics import RatioBootstrap, band_of

FAMILY = "gd_per_block"
SITE = "gradient descent"


@dataclass(frozen=True, eq=False)
class Contraction:
    """What is left of an exchanged answer, [layer of the exchange, later layer], 1 where nothing is corrected.

    Attributes:
        rates: of the blocks, over 1 / L.
    """

    left: RatioBootstrap
    rates: tuple[float, ...]

    def rows(self, about: About, judged: Mapping[int, int]) -> list[dict[str, Any]]:
        """Returns a record's rows, at the later layers at which the model's own answers were judged, by layer."""
        about, band = replace(about, evidence="loop"), band_of(self.left.draws().flatten(1))
        return [
            about.row(SITE, "kept", band, layer * about.layers + later, layer, head=FAMILY, other_layer=later)
            for layer, later in judged.items()
            if not band.value[layer * about.layers + later].isnan()
        ]


def contraction(experiment: Experiment, selected: Asked, head: str, pass_: Pass) -> Contraction:
    """Returns what gradient descent leaves on the score prompts, each with another's examples as the donor.

    Args:
        selected: the answers to which the rates are fitted.
        head: by which reading.
    """
    named = fit(FAMILIES[FAMILY], selected, head)
    rates = named.numbers["rate"]
    layers = experiment.layers
    found = RatioBootstrap((layers, layers), seed=pass_.seed)
    for numbers in pass_.batches("score"):
        others = range(pass_.score + numbers.start, pass_.score + numbers.stop)
        (own, query), (donor, _) = (_examples(experiment, pass_.seed, some) for some in (numbers, others))
        shift = named.weights(donor) - named.weights(own)
        given = moments(own)
        left, unit = (torch.zeros(len(query), layers, layers, dtype=torch.float64) for _ in range(2))
        for layer in range(1, layers):
            first = moved = shift[layer]
            unit[:, layer] = (first * query).sum(-1).square()[:, None]
            for later in range(layer, layers):
                left[:, layer, later] = (moved * query).sum(-1) * (first * query).sum(-1)
                if later < layers - 1:
                    step = torch.einsum("pij,pj->pi", given.hessian, moved)
                    moved = moved - rates[later] / given.largest * step
        found.update(numbers, left, unit)
    return Contraction(found, tuple(rates))


def _examples(experiment: Experiment, seed: int, numbers: range) -> tuple[Examples, Float64[Tensor, "prompt dim"]]:
    """Returns what stands before the query after the largest context, and the query."""
    prompts = experiment.task.draw(PromptSource(seed, "score", numbers), experiment.longest)
    x = experiment.task.regressors(prompts.x)
    assert x is not None, "asked about a task that is linear in nothing"
    return Examples(x[:, :-1], prompts.y[:, :-1]), x[:, -1].double()
