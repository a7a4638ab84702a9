"""What every learner can do: a frozen dataclass whose fields are its options.

A learner is run on all prompts of a batch at once; a prompt's prediction depends on nothing else in the batch, has
the dtype of y, and without examples is 0, or what the learner's prior says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from probe.learners.examples import Examples


@runtime_checkable
class Learner(Protocol):
    """Learns each prompt's function from its examples."""

    def predict(self, examples: Examples, query: Float[Tensor, "batch dim"]) -> Float[Tensor, " batch"]:
        """Returns the predicted y of each prompt's query."""


@runtime_checkable
class LinearLearner(Learner, Protocol):
    """Predicts query.w with weights w that it finds from the examples, in float64."""

    def weights(self, examples: Examples) -> Float64[Tensor, "batch dim"]:
        """Returns the weights w of each prompt."""

    def predict(self, examples: Examples, query: Float[Tensor, "batch dim"]) -> Float[Tensor, " batch"]:
        """Returns the predicted y of each prompt's query."""
        predicted: Tensor = (self.weights(examples) * query.double()).sum(-1)
        return predicted.to(examples.y.dtype)


Map = Callable[[Float64[Tensor, "batch dim"]], Float64[Tensor, "batch dim"]]
"""What a step makes of the weights before it."""


@runtime_checkable
class IterativeLearner(LinearLearner, Protocol):
    """Finds its weights step by step, from 0."""

    def iterates(self, examples: Examples) -> Float64[Tensor, "step batch dim"]:
        """Returns the weights before the first step, which are 0, and after every step."""

    def maps(self, examples: Examples) -> Iterator[Map]:
        """Yields every step as a map of weights; from 0, one after another, they give the iterates within rounding.

        A step is taken from whatever weights it is given. One that is not written out adds the same to all.
        """
        for before, after in pairwise(self.iterates(examples)):
            yield partial(torch.add, after - before)

    def weights(self, examples: Examples) -> Float64[Tensor, "batch dim"]:
        """Returns the weights after the last step."""
        return self.iterates(examples)[-1]
