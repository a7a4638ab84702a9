"""Induction: what followed this symbol the last time it was seen."""

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
class Induction(Task):
    """Shows random symbols and asks, at the last, which followed it the last time it was seen, hop by hop.

    One hop is the induction of Olsson et al. (2022), arXiv:2209.11895; several are those of Sanford et al. (2024),
    arXiv:2402.09268: each hop goes from a symbol back to where it was last seen, and on to what followed it there. A
    chain c0 c1, c1 c2, ... is planted, the last link first, at random places that do not overlap; c0 to c(depth - 1)
    stand nowhere else, so that there is always an answer and only one. With depth 2 and the context 7 the prompt may be
    7 3 5 9 1 3 5 1, with the links 3 5 and 1 3: from the query 1 back to 1 3, from there back to 3 5, so that the
    target is 5. Here `context` counts tokens, those before the query. The variance is the share of wrong guesses,
    1 - 1 / vocabulary.

    Args:
        vocabulary: the number of symbols.
        chain_depth: hops.
        fixed_query: whether the query is symbol 0 in every prompt (the induction of Gu & Dao, 2023, arXiv:2312.00752),
            and not a random one.
    """

    objective: ClassVar[str] = "symbol"
    grows: ClassVar[tuple[Axis, ...]] = ()
    appendable: ClassVar[bool] = False

    vocabulary: Annotated[int, Range(2, 2**24)] = 128
    chain_depth: Size = 1
    fixed_query: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.chain_depth >= self.vocabulary:
            raise ProbeError(
                f"A chain of {self.chain_depth} hops was asked for, but its symbols must differ and there are "
                f"{self.vocabulary}. Give a smaller chain_depth or a larger vocabulary."
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
        """Returns the tokens of a prompt with so many before the query."""
        return context + 1

    def draw(self, source: Source, context: int, active: int | None = None) -> Prompts:
        """Draws prompts of `context` symbols and the query; there are no coordinates to be active.

        Raises:
            ProbeError: if the chain does not fit.
        """
        hops = self.chain_depth
        if context < 2 * hops:
            raise ProbeError(
                f"A context of {context} was given, but {hops} hops need at least {2 * hops} tokens. "
                "Give a larger context or a smaller chain_depth."
            )
        order = self._order(source)
        chain = order[:, : hops + 1]
        fillers = order.gather(1, hops + whole(source, self.vocabulary - hops, context))
        # links are two tokens long: places among context - hops, each pushed on by the links before it
        links = distinct(source, hops, context - hops).sort(dim=1, descending=True).values
        links = links + torch.arange(hops - 1, -1, -1, device=links.device)
        tokens = fillers.scatter(1, links, chain[:, :-1]).scatter(1, links + 1, chain[:, 1:])
        tokens = torch.cat([tokens, chain[:, :1]], dim=1)
        target = chain[:, -1:]
        return Prompts(
            inputs=tokens,
            targets=target[..., None],
            queries=torch.tensor([context], device=tokens.device),
            contexts=(context,),
            counted=torch.ones_like(target, dtype=torch.bool),
            x=tokens[:, -1:],
            y=target,
            parameters={"chain": chain, "links": links},
        )

    def _order(self, source: Source) -> Int[Tensor, "batch symbol"]:
        """Returns the symbols in random order; the chain's come first."""
        drawn = source.uniform(self.vocabulary)
        if self.fixed_query:
            drawn = torch.cat([torch.full_like(drawn[:, :1], 2.0), drawn[:, 1:]], dim=1)
        return drawn.argsort(dim=1, descending=True)

    @property
    def variance(self) -> float:
        """The share of wrong guesses."""
        return 1 - 1 / self.vocabulary
