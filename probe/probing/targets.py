"""What heads are asked for: the answer y, what a prompt was drawn with, a function of it, or what a learner finds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float, Float64, Int, Shaped
from torch import Tensor

from probe.errors import ProbeError, suggest
from probe.learners import LEARNERS, LinearLearner, make
from probe.probing.asked import ALONGSIDE, named_targets
from probe.probing.learned import learned, weights_of
from probe.randomness import PromptSource
from probe.tasks import Prompts, Task
from probe.tasks.objectives import GUESS, ZERO
from probe.tasks.prompts import only

Along = Literal["prompt", "query", "point", "token"]
Read = Callable[[Prompts], Tensor]
SAMPLED = 1024
"""Prompts that tell what a target is: which categories there are, and whether it is constant."""
FEWEST = 32
"""Prompts that are looked at, however few heads are fitted on."""
ROUNDING = 1e-3
"""How far a function's value of a prompt may be from itself, alone or among others: sums are rounded otherwise."""
MOST = 2**12
"""Numbers of a target at most."""


@dataclass(frozen=True, eq=False)
class Target:
    """What heads are asked for, and how their answers are judged.

    Args:
        name: what records call it.
        read: its values of a batch of prompts, of any shape behind the axis of prompts.
        along: what its second axis runs along, if it is not one value a prompt.
        offset: the tokens from a query to the token that the stream is read at.
        categories: the values of whole numbers and masks, rising; None where it is real.
    """

    name: str
    read: Read
    along: Along = "prompt"
    offset: int = 0
    categories: Int[Tensor, " category"] | None = None

    @property
    def unit(self) -> str:
        """What an error of 1 is, in words."""
        return ZERO if self.categories is None else GUESS

    def values(self, prompts: Prompts) -> Shaped[Tensor, "batch context number"]:
        """Returns its numbers at each of the prompts' queries.

        Raises:
            ProbeError: if one is not finite.
        """
        found = self.read(prompts)
        if not bool(torch.isfinite(found).all()):
            raise ProbeError(
                f"The target {self.name} holds a NaN or an infinity, but heads are fitted to finite numbers. Look for "
                "a division by 0, or ask for contexts at which it is there."
            )
        contexts = len(prompts.contexts)
        if self.along == "prompt":
            return found.reshape(len(found), 1, -1).expand(-1, contexts, -1)
        there = found.index_select(1, self._places(found.shape[1], prompts).to(found.device))
        return there.reshape(len(found), contexts, -1)

    def _places(self, size: int, prompts: Prompts) -> Int[Tensor, " context"]:
        if self.along == "token":
            return prompts.queries + self.offset
        if size == len(prompts.contexts) != prompts.x.shape[1]:
            return torch.arange(size)
        return torch.tensor(prompts.contexts)

    def encoded(self, prompts: Prompts) -> Float[Tensor, "batch context target"]:
        """Returns what a linear head is fitted to: the numbers, or of each category 1 where it is there, else 0."""
        values = self.values(prompts)
        if self.categories is None:
            return values.float()
        return (values[..., None] == self.categories).float().flatten(2)

    def counted(self, prompts: Prompts) -> Bool[Tensor, "batch context"] | None:
        """Returns at which contexts a prompt counts, or None for all: what was drawn can be asked for anywhere."""
        return None

    def cost(
        self, predicted: Float[Tensor, "layer batch context target"], prompts: Prompts
    ) -> Float64[Tensor, "layer batch context"]:
        """Returns the squared error summed over the numbers, or the share of wrong categories."""
        if self.categories is None:
            return (predicted.double() - self.values(prompts).double()).square().sum(-1)
        return 1 - self.right(predicted, prompts).double().mean(-1)

    def guess(self, prompts: Prompts) -> Float64[Tensor, "batch context"]:
        """Returns the cost of predicting zero, or of guessing a category."""
        values = self.values(prompts).double()
        if self.categories is None:
            return values.square().sum(-1)
        return torch.full_like(values[..., 0], 1 - 1 / len(self.categories))

    def right(
        self, predicted: Float[Tensor, "layer batch context target"], prompts: Prompts
    ) -> Bool[Tensor, "layer batch context number"]:
        """Returns whether the largest answer is that of the category that is there; one never seen is not found."""
        assert self.categories is not None, "only categories are right or wrong"
        each = predicted.reshape(*predicted.shape[:-1], -1, len(self.categories)).argmax(-1)
        found: Tensor = self.categories.to(each.device)[each] == self.values(prompts)
        return found

    def occurrences(self, prompts: Prompts) -> Float64[Tensor, "context category"]:
        """Returns how often each category is there at each context."""
        assert self.categories is not None, "only categories occur"
        return (self.values(prompts)[..., None] == self.categories).double().sum((0, 2))

    def weight(
        self, prompts: Prompts, occurrences: Float64[Tensor, "context category"]
    ) -> Float64[Tensor, "batch context number"]:
        """Returns the weights that make a mean the mean over categories: one over how often the category is there."""
        assert self.categories is not None, "only categories are weighted"
        there = (self.values(prompts)[..., None] == self.categories).double()
        return (there / occurrences[:, None].clamp(min=1)).sum(-1)


class Answer(Target):
    """The answer y, as the task has it."""

    def __init__(self, task: Task) -> None:
        super().__init__("y", task.encoded, "query")

    def values(self, prompts: Prompts) -> Shaped[Tensor, "batch context number"]:
        """Returns the targets as a linear head is fitted to them."""
        return self.read(prompts)

    def counted(self, prompts: Prompts) -> Bool[Tensor, "batch context"] | None:
        """Returns at which contexts a prompt counts, or None for all."""
        return None if bool(prompts.counted.all()) else prompts.counted


def targets_of(
    text: str, task: Task, task_name: str, longest: int, *, seed: int = 0, prompts: int = SAMPLED, offset: int = 0
) -> list[Target]:
    """Returns the targets that a text or an object names (see `probe.probing.asked`).

    Args:
        longest: examples before the last query.
        prompts: that heads are fitted on.
        offset: the tokens from a query to the token that the stream is read at.

    Raises:
        ProbeError: if there is no such target, it is constant, or has more numbers than there are prompts.
    """
    asked = named_targets(text)
    if set(asked) == {"y"}:
        return [Answer(task)]
    count = max(FEWEST, min(prompts, SAMPLED))
    sample = task.draw(PromptSource(seed, "fit", range(count)), longest)
    other = _of_another_length(task, longest)
    tokens = sample.queries + offset
    probed = only(sample, ((tokens >= 0) & (tokens < sample.inputs.shape[1])).nonzero()[:, 0])
    found: list[Target] = []
    for name, value in asked.items():
        if name == "y" and value == "y":
            found.append(Answer(task))
            continue
        read = _reader(name, value, task_name, sample)
        along = _along(read, sample, other)
        target = Target(name, read, along, offset, _categories(name, read(sample)))
        _check(target, probed, prompts)
        found.append(target)
    return found


def shortest(task: Task) -> int:
    """Returns the smallest number of examples, from 15 on, that a task has prompts of.

    Raises:
        ProbeError: if it has none up to 1,000.
    """
    for context in range(15, 1000):
        try:
            task.draw(PromptSource(0, "fit", [0]), context)
            return context
        except ProbeError as error:
            last = error
    raise last


def offered(task: Task, context: int) -> dict[str, str]:
    """Returns what a task's heads can be asked for by name, each in words: how many numbers, and a value for what."""
    sample, other = task.draw(PromptSource(0, "fit", range(SAMPLED)), context), _of_another_length(task, context)
    answer = task.encoded(sample)
    found = {"y": f"{_numbers(tuple(answer.shape[2:]))} a query, the answer"}
    for name in sample.parameters:
        read = _drawn(name)
        along, value = _along(read, sample, other), read(sample)
        kept = tuple(value.shape[1 if along == "prompt" else 2 :])
        categories = _categories(name, value)
        kind = "" if categories is None else f", of {len(categories)} categories"
        same = bool((value == value.flatten()[0]).all())
        found[name] = f"{_numbers(kept)} a {along}{kind}{', the same for every prompt' if same else ''}"
    return found


def _numbers(shape: tuple[int, ...]) -> str:
    size = " x ".join(map(str, shape)) or "1"
    return f"{size} number{'' if size == '1' else 's'}"


def _drawn(name: str) -> Read:
    return lambda prompts: prompts.parameters[name]


def _reader(name: str, value: object, task_name: str, sample: Prompts) -> Read:
    """Returns what reads a target's values from prompts."""
    if callable(value):
        return _function(name, value, sample)
    text = str(value)
    if text in sample.parameters:
        return _drawn(text)
    kind, colon, options = text.partition(":")
    learner, _, part = kind.partition(".")
    if learner in LEARNERS and part in ("", "w"):
        return _by_learner(text, f"{learner}{colon}{options}", part, sample)
    known = ["y", *sample.parameters]
    raise ProbeError(
        f"No target of {task_name} is called {text!r}. {suggest(text, [*known, *LEARNERS])}Targets: "
        f"{', '.join(known)}; and what a learner finds, such as gd:steps=4 or gd.w:steps=4."
    )


def _by_learner(text: str, name: str, part: str, sample: Prompts) -> Read:
    learner = make(name)
    if sample.y.ndim != 2 or sample.x.ndim != 3 or not sample.y.is_floating_point():
        raise ProbeError(
            f"The target {text} was given, but learners need pairs of a vector x and a number y, which this task does "
            "not show. Ask for something that it draws."
        )
    if part and isinstance(learner, LinearLearner):
        return lambda prompts: weights_of(learner, prompts)
    if part:
        raise ProbeError(
            f"The target {text} was given, but {name} finds no weights w. Ask for its prediction, {name}, or for the "
            "w of another learner."
        )
    return lambda prompts: learned(learner, prompts)


def _function(name: str, function: Callable[..., Any], sample: Prompts) -> Read:
    """Returns what reads a function's values, once it gives those of a prompt whatever the others are.

    Raises:
        ProbeError: if it does not.
    """

    def read(prompts: Prompts) -> Tensor:
        return value_of(name, function, prompts)

    together, apart = read(sample), read(_part(sample, 1, 2))
    alike = together.shape[1:] == apart.shape[1:] and together.dtype == apart.dtype
    one, other = together[1:2].double(), apart.double()
    if not alike or not torch.allclose(one, other, rtol=ROUNDING, atol=ROUNDING, equal_nan=True):
        raise ProbeError(
            f"The function for the target {name} gave a prompt another value alone than among others, but a value may "
            "depend on its own prompt alone. Draw nothing at random, and take no mean over prompts."
        )
    return read


def value_of(name: str, function: Callable[..., Any], prompts: Prompts) -> Tensor:
    """Returns what a function of the user's makes of prompts.

    Raises:
        ProbeError: if it fails, or returns no real numbers whose first axis is the prompts.
    """
    try:
        value = function(prompts)
    except Exception as error:  # a function of the user's may fail in any way
        raise ProbeError(
            f"The function for the target {name} failed on {len(prompts.inputs)} prompts ({type(error).__name__}: "
            f"{str(error)[:200]}), but it is called on any. Correct the function."
        ) from error
    try:
        found = value if isinstance(value, Tensor) else torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError):
        raise ProbeError(
            f"The function for the target {name} returned a {type(value).__name__}, but a tensor or an array of "
            "numbers is needed. Return one with an axis of prompts first."
        ) from None
    if found.is_complex():
        raise ProbeError(
            f"The function for the target {name} returned complex numbers, but real ones are needed. Return real and "
            "imaginary part."
        )
    if found.ndim == 0 or len(found) != len(prompts.inputs):
        raise ProbeError(
            f"The function for the target {name} returned the shape {tuple(found.shape)} for {len(prompts.inputs)} "
            "prompts, but its first axis is to be the prompts. Correct the shape."
        )
    return found.detach().cpu()


def _part(prompts: Prompts, first: int, end: int) -> Prompts:
    """Returns some of the prompts."""
    return replace(
        prompts,
        inputs=prompts.inputs[first:end],
        targets=prompts.targets[first:end],
        queries=prompts.queries if prompts.queries.ndim == 1 else prompts.queries[first:end],
        counted=prompts.counted[first:end],
        x=prompts.x[first:end],
        y=prompts.y[first:end],
        parameters={name: one[first:end] for name, one in prompts.parameters.items()},
    )


def _of_another_length(task: Task, longest: int) -> Prompts:
    """Returns a prompt with an example less, or one more where the task has none with less."""
    source = PromptSource(0, "fit", [0])
    if longest > 0:
        try:
            return task.draw(source, longest - 1)
        except ProbeError:
            pass
    return task.draw(source, longest + 1)


def _along(read: Read, sample: Prompts, other: Prompts) -> Along:
    """Returns what a second axis runs along: it has the length of that in prompts of two lengths, which differ."""
    sizes = [tuple(read(one).shape[1:2]) for one in (sample, other)]
    lengths: dict[Along, list[int]] = {
        "point": [one.x.shape[1] for one in (sample, other)],
        "query": [len(one.contexts) for one in (sample, other)],
        "token": [one.inputs.shape[1] for one in (sample, other)],
    }
    for along, (first, second) in lengths.items():
        if first != second and sizes == [(first,), (second,)]:
            return along
    return "prompt"


def _categories(name: str, value: Tensor) -> Tensor | None:
    """Returns the values of whole numbers and masks that a sample has, rising; None of real numbers."""
    return None if value.is_floating_point() else torch.unique(value).long()


def _check(target: Target, sample: Prompts, prompts: int) -> None:
    values, numbers = target.values(sample), target.encoded(sample).shape[-1]
    if bool((values == values[:1]).all()):
        raise ProbeError(
            f"The target {target.name} is {'0 everywhere' if not values.any() else 'the same for every prompt'}, but a "
            f"head needs something to tell apart. Ask for something that varies{ALONGSIDE}."
        )
    if numbers > min(prompts, MOST):
        raise ProbeError(
            f"The target {target.name} has {numbers:,} numbers, but {min(prompts, MOST):,} at most can be fitted on "
            f"{prompts:,} prompts. Give more --prompts, or ask for a part of it."
        )
