"""A learner as a model: what it holds after every step stands in a stream, so that heads and plots run on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from probe.capture.description import ModelDescription
from probe.capture.hooks import Place
from probe.capture.module import itself
from probe.learners import Examples, IterativeLearner, Learner, LinearLearner


class Step(nn.Module):
    """Adds to the stream what a step changes."""

    def forward(
        self, stream: Float[Tensor, "batch time width"], change: Float[Tensor, "batch time width"]
    ) -> Float[Tensor, "batch time width"]:
        """Returns the stream after the step."""
        return stream + change


class Steps(nn.Module):
    """Runs a learner on tokens x1 y1 x2 y2 ... and passes what it holds from step to step.

    Args:
        learner: one that finds w step by step has a layer a step, another one layer.
        dim: dimension of x.
    """

    def __init__(self, learner: Learner, dim: int) -> None:
        super().__init__()
        self.learner, self.dim = learner, dim
        one = Examples(torch.zeros(1, 1, dim), torch.zeros(1, 1))
        count = len(learner.iterates(one)) - 1 if isinstance(learner, IterativeLearner) else 1
        self.steps = nn.ModuleList([Step() for _ in range(max(1, count))])

    def forward(self, inputs: Float[Tensor, "batch time dim"]) -> Float[Tensor, "batch time 1"]:
        """Returns the learner's prediction at every token: at a y, that for its own x, its y now known."""
        held = self.held(inputs.cpu())
        stream = held[0].to(inputs.device)
        for step, before, after in zip(self.steps, held[:-1], held[1:], strict=True):
            stream = step(stream, (after - before).to(inputs.device))
        return stream[..., -1:]

    def held(self, inputs: Float[Tensor, "batch time dim"]) -> Float[Tensor, "layer batch time width"]:
        """Returns at every token, before the first step and after each, the token's x and y, w and the prediction."""
        x, y = inputs[:, ::2], inputs[:, 1::2, 0]
        found = [self._after(x[:, :count], y[:, :count]) for count in range(y.shape[1] + 1)]
        tokens = []
        for place in range(inputs.shape[1]):
            point, known = place // 2, place % 2 == 1
            shown = y[:, point] if known else torch.zeros_like(x[:, 0, 0])
            weights, predict = found[point + known]
            answers = predict(x[:, point])
            each = torch.cat([x[:, point], shown[:, None]], dim=-1).expand(len(answers), -1, -1)
            tokens.append(torch.cat([each, weights, answers[..., None]], dim=-1))
        return torch.stack(tokens, dim=2)

    def _after(
        self, x: Float[Tensor, "batch examples dim"], y: Float[Tensor, "batch examples"]
    ) -> tuple[Float[Tensor, "layer batch dim"], Callable[[Tensor], Tensor]]:
        """Returns the weights before and after every step, and what predicts the y of an x at each."""
        examples = Examples(x, y)
        if not isinstance(self.learner, LinearLearner):
            none, learner = x.new_zeros(2, len(x), self.dim), self.learner
            return none, lambda query: torch.stack([torch.zeros_like(query[:, 0]), learner.predict(examples, query)])
        if isinstance(self.learner, IterativeLearner):
            weights = self.learner.iterates(examples)
        else:
            last = self.learner.weights(examples)
            weights = torch.stack([torch.zeros_like(last), last])
        if len(weights) == 1:
            weights = weights.expand(2, -1, -1)
        return weights.to(x.dtype), lambda query: (weights * query.double()).sum(-1).to(x.dtype)


class LearnerModel:
    """Wraps a learner: layer 0 is the stream before its first step, layer i what it holds after step i.

    The stream holds x, y where the token is one, the weights w, and the prediction, which the decoder reads. It is the
    learner's own numbers: nothing is fitted or approximated. A change that is made to the stream stays in it, and later
    steps add what they would have added without it.

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
