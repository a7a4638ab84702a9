"""What each layer answers, as heads read it: by a head for y, or by heads for w that are laid against the query's x.

A model may hold the weights of its answer long before it answers: then heads for y read nothing, and those for w do.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from probe.heads import LinearHeads
from probe.probing.draws import Pass
from probe.probing.experiment import Experiment
from probe.randomness import Purpose
from probe.statistics import RatioBootstrap

READABLE = 0.9
"""An error above this is that of a layer that holds no answer."""


@dataclass(frozen=True, eq=False)
class Reading:
    """Linear readings of the answer to the query after the largest context, one a layer.

    Attributes:
        name: what is read: ``y``, or ``w`` where heads for y read half as many layers at most.
        heads: their weights, the intercept last: one column for y, one a coordinate for w.
        measured: errors by the prompts they were measured on, since several kinds of evidence ask for the same.
    """

    experiment: Experiment
    name: Literal["y", "w"]
    heads: Float64[Tensor, "layer width_and_1 number"]
    measured: dict[tuple[Pass, Purpose], RatioBootstrap] = field(default_factory=dict, repr=False)

    def of(
        self, stream: Float[Tensor, "layer prompt width"], x: Float[Tensor, "prompt dim"], shift: bool = False
    ) -> Float64[Tensor, "layer prompt"]:
        """Returns what every layer answers.

        Args:
            x: of the query, as the task's answers are linear in it.
            shift: whether the stream is a difference of two, of which the answers' difference is asked.
        """
        added = torch.zeros_like if shift else torch.ones_like
        read = torch.cat([stream.double(), added(stream[..., :1]).double()], dim=-1)
        found = torch.einsum("lpw,lwn->lpn", read, self.heads)
        answers: Tensor = found[..., 0] if self.name == "y" else (found * x.double()).sum(-1)
        return answers

    def errors(self, pass_: Pass, purpose: Purpose = "score") -> RatioBootstrap:
        """Returns the error of every layer's reading, measured when it is first asked for."""
        if (pass_, purpose) not in self.measured:
            self.measured[pass_, purpose] = self._errors(pass_, purpose)
        return self.measured[pass_, purpose]

    def _errors(self, pass_: Pass, purpose: Purpose) -> RatioBootstrap:
        found = RatioBootstrap((self.experiment.layers,), seed=pass_.seed)
        for numbers, prompts, captured in self.experiment.batches(pass_, purpose):
            x = asked(self.experiment, prompts.x[:, -1])
            target, counted = prompts.targets[:, -1, 0].double(), prompts.counted[:, -1].double()
            wrong = (self.of(captured.stream[:, :, -1].cpu(), x) - target).square() * counted
            found.update(numbers, wrong.T, (counted * target.square())[:, None])
        return found


def asked(experiment: Experiment, x: Float[Tensor, "prompt dim"]) -> Float[Tensor, "prompt features"]:
    """Returns what the task's answers are linear in, or x itself where they are linear in nothing."""
    regressors = experiment.task.regressors(x)
    return x if regressors is None else regressors


def reading(experiment: Experiment, heads: LinearHeads, of_w: LinearHeads | None, pass_: Pass) -> Reading:
    """Returns the reading of every layer, by heads for y or, where these read few layers, by heads for w.

    Args:
        heads: for y, fitted at every layer of this experiment.
        of_w: likewise for w; None for tasks whose answer is not w times x.
    """
    by_y = Reading(experiment, "y", _stacked(heads))
    if of_w is None:
        return by_y
    by_w = Reading(experiment, "w", _stacked(of_w))
    of_y, of_w_ = (int((one.errors(pass_, "select").estimate() < READABLE).sum()) for one in (by_y, by_w))
    return by_w if 2 * of_y <= of_w_ else by_y


def _stacked(heads: LinearHeads) -> Float64[Tensor, "layer width_and_1 target"]:
    """Returns the weights at the largest context with the intercepts below them."""
    return torch.cat([heads.weight[:, -1], heads.intercept[:, -1, None]], dim=1).cpu().double()
