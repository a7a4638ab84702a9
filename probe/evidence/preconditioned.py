"""Inputs multiplied by the inverse of their second moments: what one step of gradient descent needs to solve at once.

A model may spend its early layers on preconditioned inputs and then take a single step (an idea of von Oswald et al.,
2023, arXiv:2309.05858). With H the mean of x x' over the examples so far, heads are asked for (H + a)^-1 x and
(H + a)^-1/2 x, without the part along x: what is left of them is no multiple of x, so that a head that reads x alone
errs by 1 where inputs are isotropic.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from probe.evidence.rows import row
from probe.probing.draws import Pass
from probe.probing.experiment import Experiment
from probe.probing.ridge_fit import Fitting, Read, fit_ridges
from probe.probing.twins import each
from probe.randomness import PromptSource, Purpose
from probe.statistics import RatioBootstrap, band_of
from probe.tasks import Prompts

POWERS = {"whitened x": -0.5, "preconditioned x": -1.0}
LIGHT = 0.1
"""What is added to the moments, in units of their mean eigenvalue."""


def preconditioned(
    prompts: Prompts, contexts: Sequence[int], back: int = 0
) -> dict[str, Float[Tensor, "batch context dim"]]:
    """Returns the preconditioned inputs after so many examples.

    Args:
        contexts: the numbers of examples.
        back: 0 for the query after them, 1 for the input of the last of them.
    """
    found: dict[str, list[Tensor]] = {name: [] for name in POWERS}
    for context in contexts:
        x = prompts.x[:, :context].double()
        asked = prompts.x[:, context - back].double()
        values, vectors = torch.linalg.eigh(x.transpose(1, 2) @ x / max(context, 1))
        values = values.clamp(min=0)
        values = values + (LIGHT * values.mean(-1, keepdim=True)).clamp(min=torch.finfo(torch.float32).tiny)
        for name, power in POWERS.items():
            found[name].append(_beyond_x(values, vectors, asked, power) if context else torch.zeros_like(asked))
    return {name: torch.stack(each, dim=1).float() for name, each in found.items()}


def _beyond_x(
    values: Float64[Tensor, "batch dim"], vectors: Float64[Tensor, "batch dim dim"], x: Tensor, power: float
) -> Float64[Tensor, "batch dim"]:
    scaled = values**power
    scaled = scaled - scaled.mean(-1, keepdim=True)
    moved: Tensor = torch.einsum("pde,pe,pfe,pf->pd", vectors, scaled, vectors, x)
    return moved


def _at_last_pair(
    pass_: Pass, purpose: Purpose, experiment: Experiment, numbers: range
) -> tuple[Float[Tensor, "layer batch 1 width"], dict[str, Float[Tensor, "batch 1 dim"]]]:
    """Returns the stream at the last example's y, and its own preconditioned input."""
    prompts = experiment.task.draw(PromptSource(pass_.seed, purpose, numbers), experiment.longest)
    stream = experiment.stream_at(prompts.inputs, torch.tensor([2 * experiment.longest - 1]))
    return stream, preconditioned(prompts, [experiment.longest], back=1)


def at_pairs_rows(experiment: Experiment, pass_: Pass, model: str) -> list[dict[str, Any]]:
    """Returns the rows of a record: the errors, at the last example's y, of heads for its own preconditioned input.

    None for tasks whose examples are no pairs of tokens.
    """
    if not experiment.task.appendable or experiment.longest < 1:
        return []

    threads = experiment.at_a_time(pass_)

    def batches(purpose: Purpose) -> Iterator[tuple[range, Tensor, dict[str, Tensor]]]:
        found = each(experiment, pass_.batches(purpose), partial(_at_last_pair, pass_, purpose), threads)
        yield from ((numbers, stream, targets) for numbers, (stream, targets) in found)

    def reads(purpose: Fitting) -> Iterator[dict[str, Read]]:
        for _, stream, targets in batches(purpose):
            yield {"": Read(stream, targets)}

    heads = fit_ridges(reads)[""]
    errors = {name: RatioBootstrap((experiment.layers,), seed=pass_.seed) for name in POWERS}
    for numbers, stream, targets in batches("score"):
        for name, target in targets.items():
            wrong = (heads[name](stream).cpu() - target.double()).square().sum((-2, -1))
            errors[name].update(numbers, wrong.T, target.double().square().sum((-2, -1))[:, None])
    rows = []
    for name, found in errors.items():
        band = band_of(found.draws())
        for layer in range(experiment.layers):
            ends = (each[layer].item() for each in (band.value, band.low, band.high))
            rows.append(
                row(
                    model,
                    "known",
                    f"error of {name}",
                    *ends,
                    site="stream at y",
                    head="linear",
                    layer=layer,
                    context=experiment.longest,
                    prompts=found.prompts,
                )
            )
    return rows
