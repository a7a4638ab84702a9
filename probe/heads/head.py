"""The base class of heads: a head says what it needs of an experiment, and what it reads or answers there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from probe.errors import ProbeError

MOST_SYMBOLS = 512
"""The largest alphabet that a ridge is fitted to, one target a symbol."""
Hook = Literal["features", "answer", "judge"]
"""The methods of which a head overrides one."""


@runtime_checkable
class Decoder(Protocol):
    """A model as heads see it: its width, its final norm and its read-out."""

    @property
    def width(self) -> int:
        """The stream's width."""

    def normalise(self, stream: Tensor) -> Tensor:
        """Returns the stream after the model's final norm, ``[..., width]``."""

    def decode(self, stream: Tensor) -> Tensor:
        """Returns the predictions from a stream, by final norm and read-out, ``[..., width] -> [..., outputs]``."""


@runtime_checkable
class Probed(Protocol):
    """A model set before a task as heads see it; `probe.probing.experiment.Experiment` is one."""

    @property
    def model(self) -> Decoder:
        """The model."""

    @property
    def task(self) -> Any:
        """The task, a `probe.tasks.Task`."""

    @property
    def task_name(self) -> str:
        """The task as the user named it, with its options."""

    @property
    def longest(self) -> int:
        """The number of examples before the last query."""

    @property
    def layers(self) -> int:
        """The number of layers, the read-in included."""

    def decode(self, stream: Tensor) -> Tensor:
        """Returns the answers of the model's own decoder, on the CPU, ``[..., width] -> [..., answer]``."""

    def alone(self, prompts: Any, examples: int) -> tuple[Tensor, Tensor]:
        """Returns stream and targets at every later x, each appended alone to the first examples."""

    def stream_at(self, inputs: Tensor, tokens: Tensor) -> Tensor:
        """Returns the stream at some tokens of every sequence, ``[layer, batch, token, width]``."""


@dataclass(frozen=True, eq=False)
class Judged:
    """How a head that is fitted and judged by its own protocol does on a batch of prompts.

    Attributes:
        squared: the mean squared error of each prompt at every layer.
        zero: the mean squared target, which is what predicting 0 costs.
        chance: the mean squared error of a random prediction that is treated likewise.
        quantities: what else is known of each prompt, by name; the record has the mean of each with its band.
    """

    squared: Float64[Tensor, "layer batch"]
    zero: Float64[Tensor, " batch"]
    chance: Float64[Tensor, "1 batch"]
    quantities: Mapping[str, Float64[Tensor, "layer batch"]]


class Head:
    """A map from the stream to a target, to be subclassed.

    A subclass overrides one of `features`, `answer` and `judge`, and is given as an object, or as its class, wherever
    a head may be named. Its rows in a record bear its `name`.

    Attributes:
        logits: whether answers for symbols are logarithms of probabilities but for a constant.
        held: whether it is fitted on streams that are held in memory, by `probe.heads.logistic`, and not as a ridge.
        own_prompts: prompts that `judge` is called on in all; 0 where it is not overridden.
        own_batch: prompts that it is called on at a time.
    """

    logits: ClassVar[bool] = False
    held: ClassVar[bool] = False
    own_prompts: int = 0
    own_batch: int = 8

    @property
    def name(self) -> str:
        """The head's name in records: the class's name in small letters, unless it is overridden."""
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(self).__name__).lower()

    @property
    def fitted(self) -> bool:
        """Whether a ridge is fitted on what the head reads."""
        return self.overrides("features")

    def overrides(self, hook: Hook) -> bool:
        """Returns whether the head's class has its own version of a method."""
        return getattr(type(self), hook) is not getattr(Head, hook)

    def width(self, model: Decoder) -> int:
        """Returns how many numbers `features` has at each token."""
        return model.width

    def features(
        self, model: Decoder, stream: Float[Tensor, "layer batch context width"]
    ) -> Float[Tensor, "layer batch context features"]:
        """Returns the features of a ridge regression; called without gradients, on the stream's device."""
        raise NotImplementedError

    def answer(
        self, experiment: Probed, stream: Float[Tensor, "layer batch context width"]
    ) -> Float[Tensor, "layer batch context answer"]:
        """Returns the head's answers to the queries, for a head that is not fitted; called without gradients."""
        raise NotImplementedError

    def judge(self, experiment: Probed, seed: int, numbers: range) -> Judged:
        """Draws prompts by number, fits and judges the head on them, for a head with a protocol of its own.

        Args:
            numbers: of the prompts, from 0 to `own_prompts` over all calls.
        """
        raise NotImplementedError

    def by(self, protocol: str) -> Head:
        """Returns the head under a published protocol; most heads have none and return themselves."""
        return self

    def check(self, experiment: Probed, prompts: int) -> None:
        """Refuses, before any work, what the head cannot be used for.

        Args:
            prompts: that heads are fitted on.

        Raises:
            ProbeError: if the head does not suit the model or the task, or needs more prompts.
        """
        if self.fitted:
            check_prompts(self, experiment.model, prompts)
            _check_alphabet(experiment.task)
        elif not (self.overrides("answer") or self.overrides("judge")):
            raise ProbeError(
                f"The head {self.name} overrides none of features, answer and judge, but one of them is what a head "
                "does. Write one."
            )


def check_prompts(head: Head, model: Decoder, prompts: int) -> None:
    """Raises `ProbeError` where a head that is fitted has fewer prompts than it needs."""
    width = head.width(model)
    if prompts < 2 * (width + 1):
        raise ProbeError(
            f"--prompts {prompts} was given, but a linear head on a stream {width} wide needs at "
            f"least {2 * (width + 1)}. Give more prompts."
        )


def _check_alphabet(task: Any) -> None:
    if task.objective == "symbol" and task.shape.outputs > MOST_SYMBOLS:
        raise ProbeError(
            f"A linear head was asked for {task.shape.outputs} symbols, but it suits at most {MOST_SYMBOLS}, one "
            "target each. Use --head lens."
        )


@torch.no_grad()
def read(head: Head, model: Decoder, stream: Float[Tensor, "layer batch context width"]) -> Tensor:
    """Returns a fitted head's features, ``[layer, batch, context, features]``, once their shape is as it says.

    Raises:
        ProbeError: if the head returns another shape.
    """
    found = head.features(model, stream)
    needed = (*stream.shape[:3], head.width(model))
    if tuple(found.shape) != needed:
        raise ProbeError(
            f"The features of the head {head.name} have the shape {tuple(found.shape)}, but {needed} is needed: layer, "
            "batch, context and what its width says. Correct features or width."
        )
    return found
