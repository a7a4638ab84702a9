"""A learner as a model: what it holds after every step stands in a stream, so that heads and plots run on it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import TypeGuard

import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn

from probe.capture.description import ModelDescription
from probe.capture.hooks import Place
from probe.capture.module import itself
from probe.learners import Examples, IterativeLearner, Learner, LinearLearner


class Step(nn.Module):
    """Takes one step of a learner at every token, on the examples and from the weights that the stream holds there.

    Args:
        learner: the learner.
        dim: dimension of x.
        number: of the step, from 0; None takes all that the learner does at once.
    """

    def __init__(self, learner: Learner, dim: int, number: int | None) -> None:
        super().__init__()
        self.learner, self.dim, self.number = learner, dim, number

    def forward(self, stream: Float[Tensor, "batch time width"]) -> Float[Tensor, "batch time width"]:
        """Returns the stream after the step."""
        read = stream.cpu()  # learners compute in float64
        found = torch.stack([self._held(read, place) for place in range(read.shape[1])], dim=1)
        return torch.cat([stream[..., : self.dim + 1], found.to(stream.device)], dim=-1)

    def _held(self, stream: Float[Tensor, "batch time width"], place: int) -> Float[Tensor, "batch held"]:
        """Returns w and the prediction at a token: at a y, that for its own x, its y now known."""
        known = (place + 1) // 2
        examples = Examples(stream[:, 0 : 2 * known : 2, : self.dim], stream[:, 1 : 2 * known : 2, self.dim])
        query, before = stream[:, place, : self.dim], stream[:, place, self.dim + 1 : -1]
        if not isinstance(self.learner, LinearLearner):
            return torch.cat([before, self.learner.predict(examples, query)[:, None]], dim=-1)
        weights = self._weights(self.learner, examples, before.double())
        predicted = (weights * query.double()).sum(-1, keepdim=True)
        return torch.cat([weights, predicted], dim=-1).to(stream.dtype)

    def _weights(
        self, learner: LinearLearner, examples: Examples, before: Float64[Tensor, "batch dim"]
    ) -> Float64[Tensor, "batch dim"]:
        if self.number is None:
            return learner.weights(examples)
        assert isinstance(learner, IterativeLearner), "only these have steps"
        return next(islice(learner.maps(examples), self.number, None))(before)


def _stepwise(learner: Learner) -> TypeGuard[IterativeLearner]:
    """Says whether a learner has as many steps whatever the examples, so that each can be a layer."""
    if not isinstance(learner, IterativeLearner):
        return False
    fewer, more = (Examples(torch.zeros(1, count, 1), torch.zeros(1, count)) for count in (1, 2))
    return sum(1 for _ in learner.maps(fewer)) == sum(1 for _ in learner.maps(more))


class Steps(nn.Module):
    """Runs a learner on tokens x1 y1 x2 y2 ...; every step reads the stream that the one before it leaves.

    Args:
        learner: one that finds w step by step, as often whatever the examples, has a layer a step; another one layer.
        dim: dimension of x.
    """

    def __init__(self, learner: Learner, dim: int) -> None:
        super().__init__()
        self.dim = dim
        one = Examples(torch.zeros(1, 1, dim), torch.zeros(1, 1))
        numbers = [number for number, _ in enumerate(learner.maps(one))] if _stepwise(learner) else [None]
        self.steps = nn.ModuleList([Step(learner, dim, number) for number in numbers] or [nn.Identity()])

    def forward(self, inputs: Float[Tensor, "batch time dim"]) -> Float[Tensor, "batch time 1"]:
        """Returns the learner's prediction at every token: at a y, that for its own x, its y now known."""
        stream = self.read_in(inputs)
        for step in self.steps:
            stream = step(stream)
        return stream[..., -1:]

    def read_in(self, inputs: Float[Tensor, "batch time dim"]) -> Float[Tensor, "batch time width"]:
        """Returns the stream before the first step: every token's x, its y where it is one, and zeros."""
        stream = inputs.new_zeros(*inputs.shape[:2], 2 * self.dim + 2)
        stream[..., : self.dim] = inputs[:, ::2].repeat_interleave(2, dim=1)[:, : inputs.shape[1]]
        stream[:, 1::2, self.dim] = inputs[:, 1::2, 0]
        return stream


class LearnerModel:
    """Wraps a learner: layer 0 is the stream before its first step, layer i what it holds after step i.

    The stream holds x, y where the token is one, the weights w, and the prediction, which the decoder reads. It is the
    learner's own numbers: nothing is fitted or approximated. Every step reads the examples and the weights from the
    stream, so that it goes on from what an intervention puts there; conjugate gradients keep the lengths and the
    turns of the undisturbed run. A learner of one layer computes its answer from the examples alone.

    Args:
        learner: the learner.
        dim: dimension of x.
        name: the learner with its options.
    """

    def __init__(self, learner: Learner, dim: int, name: str) -> None:
        self.model = Steps(learner, dim).eval()
        self.width = 2 * dim + 2
        steps: Sequence[nn.Module] = list(self.model.steps)
        entry = Place("steps.0 (input)", steps[0], "input", itself)
        exits = [Place(f"steps.{i}", one, "output", itself) for i, one in enumerate(steps)]
        self.places: Sequence[Place] = [entry, *exits]
        self.description = ModelDescription(
            layout=name,
            letters=("step",) * len(steps),
            residuals=("none",) * len(steps),
            inputs=dim,
            outputs=1,
            symbols=0,
            longest=0,
            parameters=(0,) * (len(steps) + 1),
        )

    def run(self, inputs: Float[Tensor, "batch time dim"]) -> Float[Tensor, "batch time 1"]:
        """Returns the learner's prediction at every token."""
        found: Tensor = self.model(inputs)
        return found

    def normalise(self, stream: Float[Tensor, "*place width"]) -> Float[Tensor, "*place width"]:
        """Returns the stream: there is no norm."""
        return stream

    def decode(self, stream: Float[Tensor, "*place width"]) -> Float[Tensor, "*place 1"]:
        """Returns the prediction that a stream holds."""
        return stream[..., -1:]

    def flops(self, time: int) -> list[int]:
        """Returns the layers' numbers in place of operations, of which a learner keeps no count, [blocks + 1]."""
        return list(range(len(self.places)))

    def use_kernel(self, backend: str) -> None:
        """Does nothing: a learner has no kernels to choose from."""
