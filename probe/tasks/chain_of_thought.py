"""A network whose hidden layer is shown as a step on the way to y."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from probe.errors import ProbeError
from probe.fields import Dimension, Size
from probe.randomness import Source
from probe.tasks.prompts import Prompts, truncate
from probe.tasks.task import Shape, Task


@dataclass(frozen=True)
class ChainOfThought(Task):
    """Draws s = sqrt(2 / hidden) ReLU(W x) and y = v.s with W, v, x standard normal, and shows x, s and y in turn.

    Li et al. (2023), arXiv:2305.18869, "CoT-I/O". The three tokens x_i, s_i, y_i stand in coordinates of their own of
    one vector (x, s, y), so that one read-in is three. At x the model predicts s, in its first `hidden` outputs, at s
    it predicts y, in the last; both are trained, and y is what is judged, after the true s. With hidden 2,
    W = ((1, 0), (0, 1)), v = (3, 5) and x = (2, -1), s = (2, 0) and y = 6. The target's variance is dim, and so is
    that of s, summed over its coordinates.

    Args:
        dim: dimension of x.
        hidden: dimension of s.
        style: input_output shows s; plain leaves it out, in the layout (x, y), to learn the same function without.
    """

    appendable: ClassVar[bool] = False
    references: ClassVar[tuple[str, ...]] = ("least_squares", "knn", "network")

    dim: Dimension = 10
    hidden: Size = 8
    style: Literal["input_output", "plain"] = "input_output"

    @property
    def shape(self) -> Shape:
        """What a model must read and predict."""
        return Shape(self.dim + self._shown + 1, self._shown + 1)

    @property
    def _shown(self) -> int:
        return self.hidden if self.style == "input_output" else 0

    @property
    def _period(self) -> int:
        """The tokens of an example."""
        return 3 if self._shown else 2

    def length(self, context: int) -> int:
        """Returns the tokens of a prompt with so many examples before the last query, the last y left out."""
        return self._period * (context + 1) - 1

    def draw(self, source: Source, context: int, active: int | None = None) -> Prompts:
        """Draws prompts with `context` examples before the last query; coordinates of x from `active` on are 0."""
        inner, outer = source.normal(self.hidden, self.dim), source.normal(self.hidden)
        x = truncate(source.normal(context + 1, self.dim), active)
        steps = (2 / self.hidden) ** 0.5 * torch.einsum("bcd,bhd->bch", x, inner).relu()
        y = torch.einsum("bch,bh->bc", steps, outer)
        last = self._period - 2
        return Prompts(
            inputs=self._tokens(x, steps, y)[:, :-1],
            targets=y[..., None],
            queries=torch.arange(context + 1, device=y.device) * self._period + last,
            contexts=tuple(range(context + 1)),
            counted=torch.ones_like(y, dtype=torch.bool),
            x=x,
            y=y,
            parameters={"inner": inner, "outer": outer, "steps": steps},
        )

    def _tokens(
        self,
        x: Float[Tensor, "batch point dim"],
        steps: Float[Tensor, "batch point hidden"],
        y: Float[Tensor, "batch point"],
    ) -> Float[Tensor, "batch time width"]:
        parts = [x, steps, y[..., None]] if self._shown else [x, y[..., None]]
        tokens, first = x.new_zeros(*y.shape, self._period, self.shape.inputs), 0
        for place, part in enumerate(parts):
            tokens[:, :, place, first : first + part.shape[-1]] = part
            first += part.shape[-1]
        return tokens.flatten(1, 2)

    def loss(self, outputs: Float[Tensor, "batch time output"], prompts: Prompts) -> Float[Tensor, ""]:
        """Returns the mean squared error of y, and added to it that of s, summed over its coordinates."""
        judged = super().loss(outputs, prompts)
        if not self._shown:
            return judged
        at_x = outputs.index_select(1, prompts.queries.to(outputs.device) - 1)
        steps = at_x[..., : self.hidden] - prompts.parameters["steps"]
        return judged + steps.square().sum(-1).mean()

    def answer(self, outputs: Float[Tensor, "*place output"]) -> Float[Tensor, "*place answer"]:
        """Returns, of what is read out at a query, the part that answers it: the last coordinate."""
        return outputs[..., -1:]

    def recursive(
        self, run: Callable[[Tensor], Tensor], prompts: Prompts, contexts: Sequence[int]
    ) -> Float[Tensor, "batch context 1"]:
        """Returns answers that rest on the model's own s at the query; the examples before it keep the true s.

        Args:
            run: a causal model, from tokens to outputs; called once, and once more for each context.
            prompts: prompts of this task in the style input_output.
            contexts: the numbers of examples before the queries.

        Raises:
            ProbeError: if the task's prompts show no s.
        """
        if not self._shown:
            raise ProbeError(
                "A model's own steps were asked for in the style plain, but its prompts show none. "
                "Use style=input_output."
            )
        found, answers = run(prompts.inputs), []
        for context in contexts:
            place = int(prompts.queries[prompts.contexts.index(context)])
            tokens = prompts.inputs[:, : place + 1].clone()
            tokens[:, place, self.dim : self.dim + self.hidden] = found[:, place - 1, : self.hidden]
            answers.append(self.answer(run(tokens)[:, place]))
        return torch.stack(answers, dim=1)

    @property
    def variance(self) -> float:
        """The target's expected square: the mean squared error of predicting zero."""
        return float(self.dim)
