"""Fits the numbers of a family to the answers of a model's layers, with the model's own error fitted apart."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from jaxtyping import Float64
from torch import Tensor

from probe.evidence.answers import Asked
from probe.evidence.families import FAMILIES
from probe.evidence.families.family import Family
from probe.evidence.families.moments import moments
from probe.evidence.shared import ratio, shared_error
from probe.learners import Examples
from probe.processes.side_by_side import side_by_side

ITERATIONS = 60
"""Of L-BFGS, from each start."""
LAST = 0.1
"""What the last layer's error counts beside the distances of all layers with that error fitted apart."""


class Fitted:
    """A family with the numbers that come closest to a model's layers on some prompts.

    Attributes:
        name: the family's.
        setting: the fitted numbers in words.
        numbers: the same by what they are.
    """

    def __init__(self, family: Family, values: Float64[Tensor, " number"], blocks: int, unit: float) -> None:
        self._family, self._values, self._blocks, self._unit = family, values, blocks, unit
        self.name = family.name
        self.numbers = family.told(values, blocks)
        told = (f"{what}={' '.join(f'{one:.3g}' for one in some)}" for what, some in self.numbers.items())
        self.setting = f"{self.name}:{','.join(told)}"

    @torch.no_grad()
    def weights(self, examples: Examples) -> Float64[Tensor, "layer prompt dim"]:
        """Returns the weights after every block on these examples."""
        return torch.stack(self._family.path(self._values, moments(examples, self._unit), self._blocks))


def fitted(asked: Asked, head: str) -> Iterator[Fitted]:
    """Yields every family, fitted to the answers that a head reads at all layers; several are fitted side by side."""
    first, *rest = FAMILIES.values()
    # torch loads parts of itself at the first fit, which only one thread may do
    yield fit(first, asked, head)
    yield from side_by_side(lambda family: fit(family, asked, head), rest, torch.get_num_threads())


@torch.enable_grad()
def fit(family: Family, asked: Asked, head: str) -> Fitted:
    """Returns a family with the numbers by which its steps, one a block, come closest to the layers' answers."""
    answers, given = asked.answers[head], moments(asked.examples)
    blocks, dim = len(answers) - 1, given.x.shape[-1]
    zero = asked.targets.square().sum()

    def left(values: Tensor) -> Tensor:
        path = torch.stack(family.path(values, given, blocks))
        predicted = torch.einsum("lpd,pqd->lpq", path, asked.queries)
        last = ratio((answers[-1] * predicted[-1]).sum(), predicted[-1].square().sum())
        error = answers[-1] - last * predicted[-1]
        told = shared_error(answers, predicted, error)
        # with its error fitted apart the last layer says nothing of the last step: of two fits the exact one is taken
        distance: Tensor = (told.distances.diagonal().sum() + LAST * error.square().sum()) / zero
        return distance

    best, value = None, float("inf")
    for start in family.starts(blocks, dim):
        values = start.clone().requires_grad_(True)
        search = torch.optim.LBFGS([values], max_iter=ITERATIONS, line_search_fn="strong_wolfe", tolerance_change=1e-10)

        def closure(values: Tensor = values, search: torch.optim.LBFGS = search) -> Tensor:
            search.zero_grad()
            distance = left(values)
            distance.backward()  # type: ignore[no-untyped-call]
            return distance

        search.step(closure)  # type: ignore[no-untyped-call]
        with torch.no_grad():
            reached = left(values).item()
        if best is None or reached < value:
            best, value = values.detach(), reached
    assert best is not None, "a family has no start"
    return Fitted(family, best, blocks, given.unit)
