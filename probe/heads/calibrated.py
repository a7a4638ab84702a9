"""The calibrated lens of Grazzi et al. (2024): a scale and a shift per prompt, by two protocols that differ.

As published (arXiv:2402.03170, section 3.2), both are fitted on m = 10 queries appended alone to the k examples and
judged on n = 40 others. As released, they are fitted on the predictions at the last 10 examples of the prompt
itself, made with fewer examples before them, and judged on 30 queries appended alone; 64 tasks, k = 40 for each of
them. There errors are mean squares, which the paper divides by d; a record has both the mean square and its ratio
to that of predicting 0. analyses/compare_protocol.py runs the released script beside this one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from probe.errors import ProbeError
from probe.heads.affine import apply, fit_affine
from probe.heads.chance import independent
from probe.heads.head import Head, Judged, Probed
from probe.randomness import PromptSource


@dataclass(frozen=True)
class Protocol:
    """How many prompts and queries a protocol takes.

    Args:
        prompts: tasks drawn.
        fitted: predictions that scale and shift are fitted on.
        tested: queries that the calibrated predictions are judged on.
        in_context: whether the fitted ones stand inside the prompt (as released) or are appended alone.
    """

    prompts: int
    fitted: int
    tested: int
    in_context: bool

    @property
    def appended(self) -> int:
        """The queries appended alone, one a forward pass."""
        return self.tested if self.in_context else self.fitted + self.tested

    @property
    def fewest(self) -> int:
        """The fewest examples that a prompt must have."""
        return self.fitted if self.in_context else 1


PROTOCOLS = {
    "published": Protocol(prompts=128, fitted=10, tested=40, in_context=False),
    "released": Protocol(prompts=64, fitted=10, tested=30, in_context=True),
}


class Calibrated(Head):
    """The lens with a scale and a shift fitted on each prompt's validation queries."""

    def __init__(self, protocol: str = "published") -> None:
        self.protocol = protocol
        self.own_prompts = PROTOCOLS[protocol].prompts

    def by(self, protocol: str) -> Calibrated:
        """Returns the head under the protocol as published or as released."""
        return Calibrated(protocol)

    def check(self, experiment: Probed, prompts: int) -> None:
        """Refuses tasks without pairs, and contexts shorter than the protocol needs."""
        if not (experiment.task.appendable and experiment.task.objective == "squared"):
            raise ProbeError(
                f"The calibrated head was asked for, but it suits tasks of pairs with a number to predict, and not "
                f"{experiment.task_name}. Use --head linear lens."
            )
        fewest = PROTOCOLS[self.protocol].fewest
        if experiment.longest < fewest:
            raise ProbeError(
                f"A largest context of {experiment.longest} was given, but the calibrated head by the {self.protocol} "
                f"protocol needs at least {fewest} examples. Give a larger --context."
            )

    def judge(self, experiment: Probed, seed: int, numbers: range) -> Judged:
        """Calibrates the lens on a batch of prompts, with the experiment's largest context as the protocol's k."""
        protocol, examples = PROTOCOLS[self.protocol], experiment.longest
        prompts = experiment.task.draw(PromptSource(seed, "score", numbers), examples + protocol.appended - 1)
        found = calibrate_prompts(experiment, prompts, protocol, examples)
        unknowing = independent((seed, "chance", "calibrated"), numbers, protocol.fitted + protocol.tested)
        blind = _calibrated_by(protocol, unknowing[None], _targets(prompts, protocol, examples))
        return Judged(found.squared, found.zero, blind.squared, {"scale": found.scale, "shift": found.shift})


@dataclass(frozen=True, eq=False)
class Calibration:
    """A batch of prompts, calibrated: scale, shift and the mean squared error over the tested queries."""

    scale: Float64[Tensor, "layer batch"]
    shift: Float64[Tensor, "layer batch"]
    squared: Float64[Tensor, "layer batch"]
    zero: Float64[Tensor, " batch"]


def calibrate(
    fitted: Float[Tensor, "layer batch fitted"],
    fitted_target: Float[Tensor, "batch fitted"],
    tested: Float[Tensor, "layer batch tested"],
    tested_target: Float[Tensor, "batch tested"],
) -> Calibration:
    """Fits scale and shift on some predictions of each prompt and judges them on others, layer by layer."""
    scale, shift = fit_affine(fitted, fitted_target.expand_as(fitted))
    residual = apply(tested, scale, shift) - tested_target.double()
    return Calibration(scale, shift, residual.square().mean(-1), tested_target.double().square().mean(-1))


def calibrate_prompts(experiment: Probed, prompts: Any, protocol: Protocol, examples: int) -> Calibration:
    """Returns scale, shift and error of every layer on given prompts, by a protocol of Grazzi et al. (2024).

    Args:
        prompts: `probe.tasks.Prompts`; the first `examples` points of each are its context, the others are appended to
            it one at a time.
    """
    predicted = _predictions(experiment, prompts, protocol, examples)
    return _calibrated_by(protocol, predicted, _targets(prompts, protocol, examples))


def _calibrated_by(protocol: Protocol, predicted: Tensor, target: Tensor) -> Calibration:
    """Fits on the first predictions and judges on the rest, [layer, batch, fitted + tested]."""
    m = protocol.fitted
    return calibrate(predicted[..., :m], target[:, :m], predicted[..., m:], target[:, m:])


def _targets(prompts: Any, protocol: Protocol, examples: int) -> Float[Tensor, "batch query"]:
    """Returns the targets of the fitted queries and then of the tested."""
    first = examples - protocol.fitted if protocol.in_context else examples
    found: Tensor = prompts.targets[:, first:, 0]
    return found


def _predictions(
    experiment: Probed, prompts: Any, protocol: Protocol, examples: int
) -> Float[Tensor, "layer batch query"]:
    """Returns the lens's predictions at the fitted queries and then at the tested."""
    stream, _ = experiment.alone(prompts, examples)
    predicted = experiment.decode(stream)[..., 0]
    if not protocol.in_context:
        return predicted
    inside = prompts.queries[examples - protocol.fitted : examples]
    within = experiment.stream_at(prompts.inputs[:, : 2 * examples + 1], inside)
    return torch.cat([experiment.decode(within)[..., 0], predicted], dim=-1)
