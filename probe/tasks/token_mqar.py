"""Multi-query associative recall of symbols."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from jaxtyping import Int
from torch import Tensor

from probe.errors import ProbeError
from probe.fields import Range, Size
from probe.randomness import Source
from probe.tasks.choices import distinct, whole
from probe.tasks.prompts import Prompts
from probe.tasks.task import Axis, Counts, Shape, Task


@dataclass(frozen=True)
class TokenMqar(Task):
    """Shows pairs of symbols, a key and a value, then every key once more, and asks there for its value.

    Arora et al. (2023), arXiv:2312.04927. Of a vocabulary V, 0 fills gaps, keys are from 1 to V/2 - 1 and values from
    V/2 on, none twice in a prompt. Behind the pairs every second token may hold a query: which, is drawn without
    replacement with probabilities proportional to i^(power - 1) for the i-th, so that most come soon. The other tokens
    are random symbols, or 0. Here `context` counts tokens: those before the last, which may hold a query
    if it is even. With the pairs (1, 5), (2, 6), the context 8 and gaps of 0, the prompt may be 1 5 2 6 2 0 1 0 0,
    with the targets 6 at its fifth and 5 at its seventh token, and none at its last. The variance is the share of
    wrong guesses, 1 - 1/V.

    Args:
        vocabulary: the number of symbols.
        pairs: keys, each with a value.
        power: how slowly queries thin out; 1 spreads them evenly.
        random_gaps: whether tokens without a query are random symbols, which may be keys by chance, or 0.
    """

    objective: ClassVar[str] = "symbol"
    grows: ClassVar[tuple[Axis, ...]] = ()
    appendable: ClassVar[bool] = False

    vocabulary: Annotated[int, Range(2, 2**24)] = 8192
    pairs: Size = 4
    power: Annotated[float, Range(0, 64, open=True)] = 0.01
    random_gaps: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.vocabulary // 2 - 1 < self.pairs:
            raise ProbeError(
                f"{self.pairs} pairs were asked for, but a vocabulary of {self.vocabulary} symbols has "
                f"{max(0, self.vocabulary // 2 - 1)} keys. Give fewer pairs or a larger vocabulary."
            )

    @property
    def shape(self) -> Shape:
        """What a model must read and predict."""
        return Shape(0, self.vocabulary, self.vocabulary)

    @property
    def counts(self) -> Counts:
        """What a context is: the tokens before the last."""
        return "tokens"

    def length(self, context: int) -> int:
        """Returns the tokens of a prompt with so many before the last."""
        return context + 1

    def draw(self, source: Source, context: int, active: int | None = None) -> Prompts:
        """Draws prompts of `context` tokens and one more; there are no coordinates to be active.

        Raises:
            ProbeError: if the pairs and their queries do not fit.
        """
        if context < 4 * self.pairs - 2:
            raise ProbeError(
                f"A context of {context} tokens was given, but {self.pairs} pairs and their queries need at least "
                f"{4 * self.pairs - 2}. Give a larger context or fewer pairs."
            )
        half, shown = self.vocabulary // 2, 2 * self.pairs
        keys = 1 + distinct(source, self.pairs, half - 1)
        values = half + distinct(source, self.pairs, self.vocabulary - half)
        slots = self._slots(source, (context - shown) // 2 + 1)
        behind = whole(source, self.vocabulary, context + 1 - shown)
        if not self.random_gaps:
            behind = torch.zeros_like(behind)
        behind = behind.scatter(1, 2 * slots, keys)
        tokens = torch.cat([torch.stack([keys, values], dim=2).flatten(1), behind], dim=1)
        places = range(shown, context + 1, 2)
        targets = tokens.new_zeros(len(tokens), len(places)).scatter(1, slots, values)
        counted = torch.zeros_like(targets, dtype=torch.bool).scatter(1, slots, True)
        return Prompts(
            inputs=tokens,
            targets=targets[..., None],
            queries=torch.tensor(places, device=tokens.device),
            contexts=tuple(places),
            counted=counted,
            x=keys,
            y=values,
            parameters={"keys": keys, "values": values, "slots": slots},
        )

    def _slots(self, source: Source, places: int) -> Int[Tensor, "batch pair"]:
        """Returns where each key is asked for, among the places that may hold a query."""
        law = torch.arange(1, places + 1, dtype=torch.float32) ** (self.power - 1)
        # the largest of u^(1/p) are a draw without replacement in proportion to p (Efraimidis & Spirakis, 2006)
        drawn = source.uniform(places)
        return (drawn.log() / law.to(drawn.device)).topk(self.pairs, dim=-1).indices

    @property
    def variance(self) -> float:
        """The share of wrong guesses."""
        return 1 - 1 / self.vocabulary
