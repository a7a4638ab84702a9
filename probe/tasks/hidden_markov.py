"""Symbols of a source with hidden states, of which every next one is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float, Float64, Int
from torch import Tensor

from probe.fields import Range, Share
from probe.randomness import Source
from probe.tasks.hidden_markov_sources import mess3, random_random_xor, read_transitions, stationary
from probe.tasks.prompts import Prompts
from probe.tasks.task import Axis, Counts, Shape, Task

RARE = 1e-30
"""What a probability of 0 is taken as where a logarithm is needed."""


@dataclass(frozen=True)
class HiddenMarkov(Task):
    """Draws symbols of a hidden Markov source and asks at each for the next.

    Shai et al. (2024), arXiv:2405.15943. The first state is drawn from the stationary probabilities. Drawn beside the
    symbols are, after each, the ``belief``, the probabilities of the hidden states given all symbols so far, and
    ``next``, those of the next symbol: no model can predict better than these. With Mess3 the first belief after symbol
    a is (1 - alpha) / 2 for two states and alpha for the third. Here `context` counts tokens, those before the last.
    The variance is the share of wrong guesses, 1 - 1 / symbols.

    Args:
        source: ``mess3``, ``random_random_xor``, or a .npz or .json file with ``transitions``, of which number
            [a, i, j] is the probability that symbol a is shown and state j reached from state i.
        x: of Mess3, the probability of going to each other state.
        alpha: of Mess3, the probability that a state shows its own symbol.
    """

    objective: ClassVar[str] = "symbol"
    grows: ClassVar[tuple[Axis, ...]] = ()
    appendable: ClassVar[bool] = False

    source: str = "mess3"
    x: Annotated[float, Range(0, 0.5)] = 0.05
    alpha: Share = 0.85

    def __post_init__(self) -> None:
        super().__post_init__()
        stationary(self.transitions)

    @cached_property
    def transitions(self) -> Float64[Tensor, "symbol state following"]:
        """The probabilities of showing a symbol and reaching a state, from each state."""
        if self.source == "mess3":
            return mess3(self.x, self.alpha)
        return random_random_xor() if self.source == "random_random_xor" else read_transitions(Path(self.source))

    @property
    def shape(self) -> Shape:
        """What a model must read and predict."""
        return Shape(0, len(self.transitions), len(self.transitions))

    @property
    def counts(self) -> Counts:
        """What a context is: the tokens before the last."""
        return "tokens"

    def length(self, context: int) -> int:
        """Returns the tokens of a prompt with so many before the last."""
        return context + 1

    def draw(self, source: Source, context: int, active: int | None = None) -> Prompts:
        """Draws prompts of `context` tokens and one more; there are no coordinates to be active.

        `Prompts.parameters` holds, after each token, the ``belief``, the probabilities of the ``next`` symbol and the
        hidden ``state``.
        """
        drawn, states = self._walk(source.uniform(context + 3))
        tokens, targets = drawn[:, :-1], drawn[:, 1:]
        belief = self.beliefs(tokens)
        following = belief @ self.transitions.sum(2).T.to(belief.device)
        return Prompts(
            inputs=tokens,
            targets=targets[..., None],
            queries=torch.arange(context + 1, device=tokens.device),
            contexts=tuple(range(context + 1)),
            counted=torch.ones_like(tokens, dtype=torch.bool),
            x=tokens,
            y=targets,
            parameters={"belief": belief.float(), "next": following.float(), "state": states[:, :-1]},
        )

    def _walk(
        self, turns: Float[Tensor, "batch turn"]
    ) -> tuple[Int[Tensor, "batch symbol"], Int[Tensor, "batch symbol"]]:
        """Returns the symbols that are shown and the states that are reached with them; the first turn is a state's."""
        states = self.transitions.shape[1]
        # from each state, symbols and following states as one draw
        moves = self.transitions.permute(1, 0, 2).flatten(1).to(turns.device)
        chosen = turns.double()
        state = _picked(stationary(self.transitions).to(turns.device).expand(len(turns), -1), chosen[:, 0])
        shown, reached = [], []
        for turn in chosen[:, 1:].unbind(1):
            both = _picked(moves[state], turn)
            state = both % states
            shown.append(both // states)
            reached.append(state)
        return torch.stack(shown, dim=1), torch.stack(reached, dim=1)

    def beliefs(self, tokens: Int[Tensor, "batch time"]) -> Float64[Tensor, "batch time state"]:
        """Returns the probabilities of the hidden states after each token, by Bayes' rule.

        From b, symbol a leads to b T(a), divided by its sum (Shai et al., 2024, equation 2).
        """
        transitions = self.transitions.to(tokens.device)
        belief, found = stationary(self.transitions).to(tokens.device).expand(len(tokens), -1), []
        for token in tokens.unbind(1):
            joint = torch.einsum("bi,bij->bj", belief, transitions[token])
            belief = joint / joint.sum(1, keepdim=True)
            found.append(belief)
        return torch.stack(found, dim=1)

    def optimal(self, prompts: Prompts) -> Float[Tensor, "batch query symbol"]:
        """Returns the logarithms of the true probabilities of the next symbol, which no answer improves on."""
        return prompts.parameters["next"][:, list(prompts.contexts)].clamp(min=RARE).log()

    def metrics(
        self, answers: Float[Tensor, "*lead batch query symbol"], prompts: Prompts, logits: bool = True
    ) -> dict[str, Float[Tensor, "*lead batch query"]]:
        """Returns the share of right symbols, and of logits the `cross_entropy` and the `divergence`, in nats.

        The divergence is the Kullback-Leibler divergence of the predicted next symbol from the true one, given the
        symbols so far: by so much the expected cross-entropy is above the least that is possible.
        """
        found = super().metrics(answers, prompts)
        if not logits:
            return found
        predicted, true = answers.double().log_softmax(-1), self.optimal(prompts).double()
        chosen = F.one_hot(prompts.targets[..., 0], self.shape.outputs)
        return found | {
            "cross_entropy": -(predicted * chosen).sum(-1),
            "divergence": (true.exp() * (true - predicted)).sum(-1),
        }

    @property
    def variance(self) -> float:
        """The share of wrong guesses."""
        return 1 - 1 / len(self.transitions)


def _picked(chances: Float64[Tensor, "batch choice"], turns: Float64[Tensor, " batch"]) -> Int[Tensor, " batch"]:
    """Returns a choice for each prompt, by its chances and a number from [0, 1); none of no chance is picked."""
    bounds = chances.cumsum(1)
    return (bounds / bounds[:, -1:] <= turns[:, None]).sum(1)
