"""Words of a random automaton."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from probe.errors import ProbeError
from probe.fields import Size
from probe.randomness import Source
from probe.tasks.choices import distinct, whole
from probe.tasks.prompts import Prompts
from probe.tasks.task import Axis, Counts, Shape, Task


@dataclass(frozen=True)
class RegularLanguage(Task):
    """Draws a finite automaton per prompt, shows words of it with a separator before each, asks for every next symbol.

    Akyürek et al. (2024), arXiv:2401.12973, "RegBench"; the sizes are options. An automaton has 2 to `states` states,
    uniformly many, n, and as many letters; from each state 1 to `edges` letters (n at most), uniformly many, lead to
    uniformly drawn states. A word begins at the first state, has 0 to `word_length` letters, uniformly many, and takes
    one of the state's letters at a time, each equally likely. The separator is the last symbol. With a first state that
    a and b leave, back to it, and words of 1 letter at most, the prompt may be | a | | b, and after it the separator
    comes surely; at the separators it has probability 1/2, a and b 1/4 each. Here `context` counts tokens, those before
    the last. The variance is the share of wrong guesses, 1 - 1 / (letters + 1).

    Args:
        letters: the size of the alphabet that automata draw theirs from.
        states: the most states of an automaton.
        edges: the most letters that leave a state.
        word_length: the most letters of a word.
    """

    objective: ClassVar[str] = "symbol"
    grows: ClassVar[tuple[Axis, ...]] = ()
    appendable: ClassVar[bool] = False

    letters: Size = 18
    states: Size = 12
    edges: Size = 4
    word_length: Size = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 2 <= self.states <= self.letters:
            raise ProbeError(
                f"Automata of {self.states} states were asked for, but 2 to {self.letters} are needed, as many as "
                "there are letters. Correct states or letters."
            )

    @property
    def shape(self) -> Shape:
        """What a model must read and predict."""
        return Shape(0, self.letters + 1, self.letters + 1)

    @property
    def counts(self) -> Counts:
        """What a context is: the tokens before the last."""
        return "tokens"

    def length(self, context: int) -> int:
        """Returns the tokens of a prompt with so many before the last."""
        return context + 1

    def draw(self, source: Source, context: int, active: int | None = None) -> Prompts:
        """Draws prompts of `context` tokens and one more; there are no coordinates to be active.

        `Prompts.parameters` holds at each token, ``[batch, time, symbol]``, the true ``distribution`` of the next
        symbol and the ``legal`` letters, those that leave the automaton's state.
        """
        letters, targets, degrees = self._automata(source)
        over, written = self._words(source, context + 1)
        drawn, visited = self._walk(source.uniform(context + 1), over, letters, targets, degrees)
        separator = torch.full_like(drawn[:, :1], self.letters)
        tokens = torch.cat([separator, drawn[:, :-1]], dim=1)
        legal = self._legal(letters, degrees).gather(1, visited[..., None].expand(-1, -1, self.letters + 1))
        return Prompts(
            inputs=tokens,
            targets=drawn[..., None],
            queries=torch.arange(context + 1, device=tokens.device),
            contexts=tuple(range(context + 1)),
            counted=torch.ones_like(drawn, dtype=torch.bool),
            x=tokens,
            y=drawn,
            parameters={
                "legal": legal,
                "distribution": self._distribution(legal, written),
                "state": visited,
                "letters": letters,
                "leads_to": targets,
                "degrees": degrees,
            },
        )

    def _automata(
        self, source: Source
    ) -> tuple[Int[Tensor, "batch state edge"], Int[Tensor, "batch state edge"], Int[Tensor, "batch state"]]:
        """Returns the letters that leave each state, where they lead, and how many of them there are."""
        size = 2 + whole(source, self.states - 1, 1)
        alphabet = distinct(source, self.states, self.letters)
        unused = torch.arange(self.states, device=size.device) >= size
        ranks = source.uniform(self.states, self.states).masked_fill(unused[:, None], -1.0)
        chosen = ranks.topk(min(self.edges, self.states), dim=-1).indices
        letters = alphabet.gather(1, chosen.flatten(1)).view_as(chosen)
        targets = (source.uniform(self.states, chosen.shape[2]) * size[..., None]).long()
        degrees = torch.minimum(1 + whole(source, chosen.shape[2], self.states), size)
        return letters, targets, degrees

    def _words(self, source: Source, time: int) -> tuple[Bool[Tensor, "batch {time}"], Int[Tensor, "batch {time}"]]:
        """Returns where words are over, and how many letters each has so far."""
        lengths = whole(source, self.word_length + 1, time)
        separators = (lengths + 1).cumsum(1) - 1
        over = torch.zeros(len(lengths), time + 1, dtype=torch.bool, device=lengths.device)
        over = over.scatter(1, separators.clamp(max=time), True)[:, :-1]
        place = torch.arange(time, device=over.device)
        begins = torch.where(over, place + 1, 0).cummax(1).values
        return over, place - torch.cat([torch.zeros_like(begins[:, :1]), begins[:, :-1]], dim=1)

    def _walk(
        self,
        turns: Float[Tensor, "batch time"],
        over: Bool[Tensor, "batch time"],
        letters: Int[Tensor, "batch state edge"],
        targets: Int[Tensor, "batch state edge"],
        degrees: Int[Tensor, "batch state"],
    ) -> tuple[Int[Tensor, "batch time"], Int[Tensor, "batch time"]]:
        """Returns the symbols drawn and the state before each."""
        # each step first from every state, so that walking is one look-up a step
        edges = (turns[:, None] * degrees[..., None]).long()
        following = targets.gather(2, edges).masked_fill(over[:, None], 0)
        state, states = torch.zeros_like(degrees[:, :1]), []
        for step in following.unbind(2):
            states.append(state)
            state = step.gather(1, state)
        visited = torch.cat(states, dim=1)
        symbols = letters.gather(2, edges).gather(1, visited[:, None])[:, 0]
        return symbols.masked_fill(over, self.letters), visited

    def _legal(
        self, letters: Int[Tensor, "batch state edge"], degrees: Int[Tensor, "batch state"]
    ) -> Float[Tensor, "batch state symbol"]:
        """Returns 1 for the letters that leave each state, 0 for other symbols, the separator among them."""
        there = torch.arange(letters.shape[2], device=letters.device) < degrees[..., None]
        empty = torch.zeros(*letters.shape[:2], self.letters + 1, device=letters.device)
        return empty.scatter(2, letters, there.float())

    def _distribution(
        self, legal: Float[Tensor, "batch time symbol"], written: Int[Tensor, "batch time"]
    ) -> Float[Tensor, "batch time symbol"]:
        end = 1 / (self.word_length + 1 - written[..., None])
        separator = torch.zeros_like(legal)
        separator[..., -1] = 1
        return end * separator + (1 - end) * legal / legal.sum(-1, keepdim=True)

    def metrics(
        self, answers: Float[Tensor, "*lead batch query symbol"], prompts: Prompts, logits: bool = True
    ) -> dict[str, Float[Tensor, "*lead batch query"]]:
        """Returns the shares of right symbols and of legal letters, and of logits the `total_variation`."""
        found = super().metrics(answers, prompts) | {"legal": allowed(answers, prompts).double()}
        return found | {"total_variation": total_variation(answers, prompts).double()} if logits else found

    @property
    def variance(self) -> float:
        """The share of wrong guesses."""
        return 1 - 1 / (self.letters + 1)


def allowed(answers: Float[Tensor, "*lead batch query symbol"], prompts: Prompts) -> Bool[Tensor, "*lead batch query"]:
    """Returns whether the likeliest letter is one that leaves the automaton's state; the separator is left out."""
    legal = prompts.parameters["legal"].index_select(1, prompts.queries)
    likeliest = answers[..., :-1].argmax(-1, keepdim=True)
    found: Tensor = legal.expand_as(answers).gather(-1, likeliest)[..., 0]
    return found > 0


def total_variation(
    answers: Float[Tensor, "*lead batch query symbol"], prompts: Prompts
) -> Float[Tensor, "*lead batch query"]:
    """Returns half the summed distance of the predicted distribution from the true one, separator included."""
    true = prompts.parameters["distribution"].index_select(1, prompts.queries)
    distance: Tensor = 0.5 * (answers.softmax(-1) - true).abs().sum(-1)
    return distance
