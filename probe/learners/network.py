"""A small network trained on the examples of each prompt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor

from probe.fields import Checked, Positive, Range, Size
from probe.learners.examples import Examples
from probe.learners.learner import Learner


@dataclass(frozen=True)
class Network(Checked, Learner):
    """Predicts by a two-layer ReLU network trained from scratch on the examples by Adam (Garg et al., 2022).

    All prompts are trained at once, each on its own copy. The copies start from one draw, PyTorch's default of a
    Linear, and pick the same examples into their batches.

    Args:
        hidden: units.
        steps: of Adam.
        rate: of Adam.
        minibatch: examples a step, all where there are no more.
        seed: of the start and of the batches.
    """

    hidden: Size = 100
    steps: Annotated[int, Range(0, 100_000)] = 100
    rate: Positive = 5e-3
    minibatch: Size = 100
    seed: int = 1

    def predict(self, examples: Examples, query: Float[Tensor, "batch dim"]) -> Float[Tensor, " batch"]:
        """Returns the predicted y of each prompt's query."""
        if examples.count == 0:
            return torch.zeros_like(query[:, 0], dtype=examples.y.dtype)
        x, y = examples.x.detach().to(examples.y.dtype), examples.y.detach()
        generator = torch.Generator().manual_seed(self.seed)
        copies = [each.to(x).expand(len(x), *each.shape).clone() for each in self._start(x.shape[-1], generator)]
        with torch.enable_grad():
            optimiser = torch.optim.Adam([copy.requires_grad_() for copy in copies], lr=self.rate)
            for _ in range(self.steps):
                chosen = torch.randperm(examples.count, generator=generator)[: self.minibatch].sort().values
                optimiser.zero_grad()
                # the sum over prompts: a copy's gradient is that of its own loss
                loss = (_forward(copies, x[:, chosen]) - y[:, chosen]).square().mean(1).sum()
                torch.autograd.backward(loss)
                optimiser.step()
        with torch.no_grad():
            return _forward(copies, query.to(x)[:, None])[:, 0]

    def _start(self, dim: int, generator: torch.Generator) -> list[Tensor]:
        """Returns the weights and biases of both layers, uniform within 1 / sqrt(inputs)."""
        shapes = (((self.hidden, dim), dim), ((self.hidden,), dim), ((self.hidden,), self.hidden), ((), self.hidden))
        return [(2 * torch.rand(shape, generator=generator) - 1) / inputs**0.5 for shape, inputs in shapes]


def _forward(copies: list[Tensor], x: Float[Tensor, "batch points dim"]) -> Float[Tensor, "batch points"]:
    """Returns each prompt's network at its points."""
    weight, bias, read, shift = copies
    hidden = torch.baddbmm(bias[:, None], x, weight.mT).relu()
    return (hidden @ read[..., None]).squeeze(-1) + shift[:, None]
