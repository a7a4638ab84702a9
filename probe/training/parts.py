"""The batch of a training step in parts side by side, a thread each, with the loss and the gradient of the whole.

Two threads that take half of a batch each do more than two that share every operation. The loss is computed once, over
the answers of the whole batch, whatever it divides by. The parts' gradients are added in their order, so that another
run with as many threads takes the same steps to the bit, and one with another number the same but for rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from probe.processes.side_by_side import workers
from probe.training.plan import RunSettings, TrainPlan

FEWEST = 8
"""Prompts of a part: with fewer, threads wait for the interpreter, which they share."""


@dataclass(frozen=True)
class Answers:
    """The answers to a batch.

    Attributes:
        whole: of all prompts, with the graph behind them if there is one part, else a leaf of the loss's graph.
        parts: of each part's prompts, with the graph behind them; none if there is one part.
    """

    whole: Tensor
    parts: tuple[Tensor, ...] = ()


@dataclass(frozen=True)
class Parts:
    """Computes batches in as many parts as it is told.

    Args:
        count: how many.
        pool: threads that take one each; needed for several.
    """

    count: int = 1
    pool: Executor | None = None

    def answer(self, model: Callable[[Tensor], Tensor], inputs: Tensor) -> Answers:
        """Returns a model's answers to a batch.

        Args:
            model: answers every prompt without looking at the others.
        """
        if self.pool is None:
            return Answers(model(inputs))
        found = tuple(self.pool.map(model, inputs.tensor_split(self.count)))
        return Answers(torch.cat([one.detach() for one in found]).requires_grad_(), found)

    def backward(self, loss: Tensor, answers: Answers, parameters: Sequence[nn.Parameter]) -> None:
        """Sets the parameters' gradients to those of a loss of the answers; there must be none yet."""
        loss.backward()  # type: ignore[no-untyped-call]
        if self.pool is None:
            return
        assert answers.whole.grad is not None, "a loss of the answers"
        slopes = torch.split(answers.whole.grad, [len(one) for one in answers.parts])

        def derived(part: Tensor, slope: Tensor) -> tuple[Tensor | None, ...]:
            return torch.autograd.grad(part, parameters, slope, allow_unused=True)

        each = list(self.pool.map(derived, answers.parts, slopes))
        for parameter, gradients in zip(parameters, zip(*each, strict=True), strict=True):
            reached = [gradient for gradient in gradients if gradient is not None]
            # not in place: two parameters' gradients may be one tensor
            parameter.grad = sum(reached[1:], start=reached[0]) if reached else None


ONE_PART = Parts()
"""Whole batches, whose operations torch's threads share."""


@contextmanager
def in_parts(plan: TrainPlan, settings: RunSettings) -> Iterator[Parts]:
    """Gives the parts in which a process takes its share of every batch: one a thread, if that leaves enough prompts.

    On a GPU, compiled, or with dropout, whose draws are those of the whole batch, there is one part.
    """
    whole = settings.device != "cpu" or settings.compile or plan.model.dropout > 0
    most = plan.batch // settings.processes // FEWEST
    count = 1 if whole else min(settings.threads, most)
    if count < 2:
        yield ONE_PART
        return
    with workers(count) as pool:
        yield Parts(count, pool)
