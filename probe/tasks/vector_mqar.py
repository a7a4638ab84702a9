"""Multi-query associative recall of vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from probe.errors import ProbeError
from probe.fields import Dimension, Size
from probe.randomness import Source
from probe.tasks.choices import distinct
from probe.tasks.prompts import Prompts, queries
from probe.tasks.recall import of_norm, recalled, take_turns
from probe.tasks.task import Axis, Shape, Task


@dataclass(frozen=True)
class VectorMqar(Task):
    """Shows pairs of random unit vectors, a key and a value, then some keys again, and asks for their values.

    "Vector-valued multi-query associative recall" of Park et al. (2024), arXiv:2402.04248, after Arora et al. (2023),
    arXiv:2312.04927. Keys and values are uniform on the unit sphere; every repeated key is another one, and its value
    follows it. With `context` pairs before the last query the first ``context + 1 - queries`` are shown, the others
    are repeated ones; 32 pairs, all of them asked for, take queries 32 and context 63. With the pairs (a, b), (c, d)
    and queries 2 the prompt is a b c d c d a, or a b c d a b c, and the targets are d, b, or b, d. The target's
    variance is 1, 1/dim a coordinate. Beside the squared error stands the share of answers that lie nearest, of all
    values of the prompt, to the right one.

    Args:
        dim: dimension of keys and values.
        queries: keys that are shown again.
    """

    grows: ClassVar[tuple[Axis, ...]] = ()
    appendable: ClassVar[bool] = False

    dim: Dimension = 20
    queries: Size = 8

    @property
    def shape(self) -> Shape:
        """What a model must read and predict."""
        return Shape(self.dim, self.dim)

    def draw(self, source: Source, context: int, active: int | None = None) -> Prompts:
        """Draws prompts with `context` pairs before the last query, repeated ones included; all coordinates active.

        Raises:
            ProbeError: if fewer pairs would be shown than are asked for.
        """
        pairs = context + 1 - self.queries
        if pairs < self.queries:
            raise ProbeError(
                f"A context of {context} was given, but with queries={self.queries} at least {2 * self.queries - 1} is "
                "needed. Give a larger context or fewer queries."
            )
        keys, values = (of_norm(source.normal(pairs, self.dim), 1.0) for _ in range(2))
        queried = distinct(source, self.queries, pairs)
        again = queried[..., None].expand(-1, -1, self.dim)
        x = torch.cat([keys, keys.gather(1, again)], dim=1)
        y = torch.cat([values, values.gather(1, again)], dim=1)
        return Prompts(
            inputs=take_turns(x, y)[:, :-1],
            targets=y[:, pairs:],
            queries=queries(context + 1, x.device)[pairs:],
            contexts=tuple(range(pairs, context + 1)),
            counted=torch.ones_like(queried, dtype=torch.bool),
            x=x,
            y=y,
            parameters={"keys": keys, "values": values, "queried": queried},
        )

    def metrics(
        self, answers: Float[Tensor, "*lead batch query dim"], prompts: Prompts, logits: bool = True
    ) -> dict[str, Float[Tensor, "*lead batch query"]]:
        """Returns as the `accuracy` whether, of all values of the prompt, the one asked for is the nearest."""
        return {"accuracy": recalled(answers, prompts).double()}

    @property
    def variance(self) -> float:
        """The target's expected square: the squared error of predicting zero, summed over coordinates."""
        return 1.0
