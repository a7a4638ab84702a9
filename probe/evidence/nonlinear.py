"""A two-layer head beside the linear one, for what no linear head can read, and nulls for what its capacity finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from probe.evidence.nulls import untrained
from probe.evidence.rows import row
from probe.heads.two_layer import USUAL, TwoLayer, fit_two_layer
from probe.probing.draws import Pass
from probe.probing.experiment import Experiment
from probe.probing.prepare import same_on
from probe.randomness import Purpose
from probe.statistics import RatioBootstrap, difference
from probe.tasks import Prompts

MOST = 4096


@dataclass(frozen=True, eq=False)
class HeadComparison:
    """The errors of both heads, by layer, for one target at one context.

    Attributes:
        epochs: after how many passes each layer's units were taken; 0 where they helped nothing.
    """

    target: str
    context: int
    linear: RatioBootstrap
    two_layer: RatioBootstrap
    epochs: tuple[int, ...]


def compare_heads(
    experiment: Experiment, pass_: Pass, settings: TwoLayer = USUAL, most: int = MOST
) -> list[HeadComparison]:
    """Fits both heads at every layer after the experiment's largest context and measures them on the score prompts.

    They are asked for y, for w where the task draws one, and for another prompt's y (``shuffled``), a null.

    Args:
        most: prompts that are fitted on at most, since their streams at one context are held in memory.
    """
    stream, targets = _hold(experiment, pass_, "fit", most)
    select_stream, select_targets = _hold(experiment, pass_, "select", most)
    found = []
    for name, target in targets.items():
        heads = fit_two_layer(stream, target, select_stream, select_targets[name], settings)
        linear, two_layer = (RatioBootstrap((experiment.layers,), seed=pass_.seed) for _ in range(2))
        found.append((name, heads, HeadComparison(name, experiment.contexts[-1], linear, two_layer, heads.epochs)))
    for numbers, prompts, captured in experiment.batches(pass_, "score"):
        last = captured.stream[:, :, -1]
        for name, heads, one in found:
            truth = _targets(prompts)[name].double()
            counted = prompts.counted[:, -1, None].double()
            zero = truth.square().sum(-1)[:, None] * counted
            for errors, predicted in (
                (one.two_layer, heads(last)),
                (one.linear, heads.linear(last[:, :, None])[:, :, 0]),
            ):
                errors.update(numbers, (predicted.cpu() - truth).square().sum(-1).T * counted, zero)
    return [one for _, _, one in found]


def untrained_comparison(
    experiment: Experiment, pass_: Pass, settings: TwoLayer = USUAL, most: int = MOST
) -> list[HeadComparison]:
    """Returns the same of the untrained model on the same prompts: what capacity alone makes of random features.

    Raises:
        ProbeError: if nothing in its blocks can be trained, or it cannot be copied.
    """
    fresh = same_on(untrained(experiment.checkpoint, pass_.seed), experiment)
    return compare_heads(fresh, pass_, settings, most)


def comparison_rows(found: list[HeadComparison], model: str, suffix: str = "") -> list[dict[str, Any]]:
    """Returns the rows of a record: by target and layer the error of either head, and two-layer minus linear.

    Args:
        suffix: follows the heads' names, to tell those on an untrained model apart: ``, untrained``.
    """
    rows = []
    for one in found:
        kinds = {"linear": one.linear, "two_layer": one.two_layer}
        bands = {head: (errors.estimate(), *errors.interval()) for head, errors in kinds.items()}
        gain = difference(one.two_layer, one.linear, simultaneous=True)
        bands["two_layer minus linear"] = (gain.value, gain.low, gain.high)
        for head, band in bands.items():
            for layer, (value, low, high) in enumerate(zip(*(part.tolist() for part in band), strict=True)):
                kind = "error" if head in kinds else "difference"
                rows.append(
                    row(
                        model,
                        "known",
                        f"{kind} of {one.target}",
                        value,
                        low,
                        high,
                        site="stream at x, in memory",
                        head=head + suffix,
                        layer=layer,
                        context=one.context,
                        prompts=one.linear.prompts,
                    )
                )
    return rows


def _hold(
    experiment: Experiment, pass_: Pass, purpose: Purpose, most: int
) -> tuple[Float[Tensor, "layer prompts width"], dict[str, Float[Tensor, "prompts target"]]]:
    """Returns the stream at the last query of at most so many prompts, and the targets there."""
    streams: list[Tensor] = []
    targets: dict[str, list[Tensor]] = {}
    for _, prompts, captured in experiment.batches(pass_, purpose, most=most):
        counted = prompts.counted[:, -1]
        streams.append(captured.stream[:, counted.to(experiment.device), -1])
        for name, target in _targets(prompts).items():
            targets.setdefault(name, []).append(target[counted].to(experiment.device))
    return torch.cat(streams, dim=1), {name: torch.cat(parts) for name, parts in targets.items()}


def _targets(prompts: Prompts) -> dict[str, Float[Tensor, "prompts target"]]:
    y, counted = prompts.targets[:, -1].float(), prompts.counted[:, -1]
    shuffled = y.clone()
    shuffled[counted] = y[counted].roll(1, 0)
    known = {"y": y, "shuffled": shuffled}
    return known | {"w": prompts.parameters["w"]} if "w" in prompts.parameters else known
