"""Retrieval of a vector by its key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from probe.errors import ProbeError
from probe.fields import Dimension, Range, Spread
from probe.randomness import Source
from probe.tasks.choices import whole
from probe.tasks.prompts import Prompts
from probe.tasks.recall import of_norm, recalled, take_turns
from probe.tasks.task import Axis, Shape, Task


@dataclass(frozen=True)
class VectorRetrieval(Task):
    """Shows pairs of random vectors, a key and a value, then one key again, and asks for its value.

    The released code of Park et al. (2024), arXiv:2402.04248, with 64 pairs. Keys and values are uniform on a sphere;
    the prompt is k1 v1 ... kN vN q with N = `context`. With the pairs (a, b), (c, d) and the query c the target is d.
    The target's variance is dim, 1 a coordinate, or 1 where the norm is 1. Beside the squared error stands the share
    of answers that lie nearest, of all values of the prompt, to the right one.

    Args:
        dim: dimension of keys and values.
        norm: norm of keys and values, sqrt(dim) as released or 1.
        query_noise: standard deviation of the noise on each coordinate of the query, where the norm is sqrt(dim),
            and in proportion where it is 1; the sum is brought back to the norm.
        released: whether, as in the released code, one query in N + 1 is a key that was never shown; its target is
            the value of the key that is most like it.
        place: the pair that is asked for in every prompt, 1 the first; 0 draws one of them for each, as released.
    """

    grows: ClassVar[tuple[Axis, ...]] = ()
    appendable: ClassVar[bool] = False

    dim: Dimension = 20
    norm: Literal["sqrt_dim", "unit"] = "sqrt_dim"
    query_noise: Spread = 0.0
    released: bool = False
    place: Annotated[int, Range(0, 2**16)] = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.place and self.released:
            raise ProbeError(
                f"Pair {self.place} was asked for with released=true, but there a query may be a key that was never "
                "shown. Leave out one of the two."
            )

    @property
    def shape(self) -> Shape:
        """What a model must read and predict."""
        return Shape(self.dim, self.dim)

    def draw(self, source: Source, context: int, active: int | None = None) -> Prompts:
        """Draws prompts of `context` pairs and a query; all coordinates are active.

        Raises:
            ProbeError: if there is no pair to ask for.
        """
        if context < 1:
            raise ProbeError(f"A context of {context} was given, but a query needs a pair. Give at least 1.")
        if context < self.place:
            raise ProbeError(
                f"A context of {context} was given, but place={self.place} needs as many pairs. Give a larger context "
                "or an earlier place."
            )
        keys, values = (self._normed(source.normal(context, self.dim)) for _ in range(2))
        query, queried = self._query(source, keys)
        place = queried[..., None].expand(-1, -1, self.dim)
        target = values.gather(1, place)
        return Prompts(
            inputs=torch.cat([take_turns(keys, values), query], dim=1),
            targets=target,
            queries=torch.tensor([2 * context], device=query.device),
            contexts=(context,),
            counted=torch.ones_like(queried, dtype=torch.bool),
            x=torch.cat([keys, query], dim=1),
            y=torch.cat([values, target], dim=1),
            parameters={"keys": keys, "values": values, "queried": queried},
        )

    def _query(
        self, source: Source, keys: Float[Tensor, "batch pair dim"]
    ) -> tuple[Float[Tensor, "batch 1 dim"], Int[Tensor, "batch 1"]]:
        """Returns the query and the number of the pair whose value it asks for."""
        if self.released:
            stranger = self._normed(source.normal(1, self.dim))
            choices = torch.cat([keys, stranger], dim=1)
        else:
            choices = keys
        chosen = whole(source, choices.shape[1], 1)
        if self.place:
            chosen = torch.full_like(chosen, self.place - 1)
        query = choices.gather(1, chosen[..., None].expand(-1, -1, self.dim))
        likest = torch.einsum("bpd,bqd->bqp", keys, query).argmax(-1)
        queried = torch.where(chosen < keys.shape[1], chosen, likest)
        if self.query_noise:
            scale = self.query_noise * self._length() / self.dim**0.5
            query = self._normed(query + scale * source.normal(1, self.dim))
        return query, queried

    def _normed(self, vectors: Float[Tensor, "*place dim"]) -> Float[Tensor, "*place dim"]:
        return of_norm(vectors, self._length())

    def _length(self) -> float:
        return self.dim**0.5 if self.norm == "sqrt_dim" else 1.0

    def metrics(
        self, answers: Float[Tensor, "*lead batch query dim"], prompts: Prompts, logits: bool = True
    ) -> dict[str, Float[Tensor, "*lead batch query"]]:
        """Returns as the `accuracy` whether, of all values of the prompt, the one asked for is the nearest."""
        return {"accuracy": recalled(answers, prompts).double()}

    @property
    def variance(self) -> float:
        """The target's expected square: the squared error of predicting zero, summed over coordinates."""
        return self._length() ** 2
