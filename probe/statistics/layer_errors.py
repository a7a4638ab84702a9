"""The errors of one head by layer and context, gathered prompt by prompt with their bands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from probe.statistics.bootstrap import Band, RatioBootstrap, band_of


class LayerErrors:
    """Sums costs, and what knowing nothing would cost, over prompts; `error` is their ratio, with 95 % bands by prompt.

    Args:
        target: what the head is asked for.
        layers: the layers its predictions stand for, or None for a learner or chance, which have none.
        blocks: the model's number of blocks.
        contexts: the numbers of examples before the query.
        seed: of the bootstrap's weights; equal seeds over equal prompts make differences paired.
    """

    def __init__(
        self, target: str, layers: Sequence[int] | None, blocks: int, contexts: Sequence[int], seed: int
    ) -> None:
        self.target = target
        self.layers: list[int | None] = [None] if layers is None else list(layers)
        self.blocks = blocks
        self.contexts = list(contexts)
        self.ratio = RatioBootstrap((len(self.layers), len(self.contexts)), seed=seed)
        self._costs = torch.zeros(len(self.layers), len(self.contexts), dtype=torch.float64)
        self._counted = torch.zeros(len(self.contexts), dtype=torch.float64)
        self._weight = torch.zeros(len(self.contexts), dtype=torch.float64)
        self.means: dict[str, RatioBootstrap] = {}
        self.moments: RatioBootstrap | None = None

    def update(
        self,
        numbers: Sequence[int],
        predicted: Float[Tensor, "layer batch context target"],
        target: Float[Tensor, "batch context target"],
        counted: Bool[Tensor, "batch context"] | None = None,
    ) -> None:
        """Adds the squared errors of a batch of prompts by their numbers.

        Args:
            counted: which of them count; all of them unless given.
        """
        truth = target.double()
        counted = torch.ones_like(truth[..., 0], dtype=torch.bool) if counted is None else counted
        squared = (predicted.double() - truth).square().sum(-1)
        # not multiplied by 0, which would keep a NaN
        self.add(numbers, squared.where(counted, 0.0), truth.square().sum(-1).where(counted, 0.0), counted)

    def add(
        self,
        numbers: Sequence[int],
        cost: Float[Tensor, "layer batch context"],
        guess: Float[Tensor, "batch context"],
        counted: Bool[Tensor, "batch context"],
        weights: Float[Tensor, "batch 1"] | None = None,
    ) -> None:
        """Adds the costs of a batch of prompts, and what knowing nothing would have cost.

        Args:
            counted: which of them count; the others' cost and guess must be 0.
            weights: how much each prompt counts, by which cost and guess were multiplied; once unless given.
        """
        self._costs += cost.double().sum(1)
        self._counted += counted.sum(0)
        self._weight += (counted if weights is None else counted * weights).sum(0)
        self.ratio.update(numbers, cost.double().transpose(0, 1), guess.double()[:, None])

    def add_metrics(
        self,
        numbers: Sequence[int],
        metrics: Mapping[str, Float[Tensor, "layer batch context"]],
        counted: Bool[Tensor, "batch context"] | Float[Tensor, "batch context"],
        weights: Float[Tensor, "batch 1"] | None = None,
    ) -> None:
        """Adds further quantities of a batch of prompts by name; a record's row has the mean of each, with its band.

        Args:
            counted: which of them count, or how much.
            weights: of the prompts.
        """
        weight = counted.double() if weights is None else counted * weights
        for name, values in metrics.items():
            mean = self.means.setdefault(name, RatioBootstrap(self.ratio.shape, seed=self.ratio.seed))
            mean.update(numbers, (values.double() * weight).transpose(0, 1), weight[:, None])

    def add_moments(
        self,
        numbers: Sequence[int],
        target: Float[Tensor, "batch context target"],
        weight: Float[Tensor, "batch context"] | None = None,
    ) -> None:
        """Adds the targets' own values, by which rows have R², the share of their variance that is explained.

        Args:
            weight: how much each counts, as its cost did; once unless given. One that counts for nothing may be NaN.
        """
        weights = torch.ones_like(target[..., :1], dtype=torch.float64) if weight is None else weight[..., None]
        values = target.double().where(weights > 0, 0.0)
        both = torch.cat([values, values.square().sum(-1, keepdim=True)], dim=-1)
        if self.moments is None:
            self.moments = RatioBootstrap(both.shape[1:], seed=self.ratio.seed)
        self.moments.update(numbers, both * weights, weights)

    def explained(self) -> Band:
        """Returns R² = 1 - squared errors / squared deviations from the mean over the same prompts, with its band.

        It is resampled whole, the mean included; nan where the target does not vary.
        """
        assert self.moments is not None, "moments were added"
        draws = self.moments.draws()
        square = draws[..., -1]
        variance = square - draws[..., :-1].square().sum(-1)
        # what rounding leaves of a constant's variance is none
        left = self.ratio.draws() * (square / variance.where(variance > 1e-9 * square, torch.nan))[:, None]
        return band_of(1 - left)

    def merge(self, other: LayerErrors) -> LayerErrors:
        """Returns the errors over both sets of prompts, which must not overlap."""
        assert (self.target, self.layers, self.contexts) == (other.target, other.layers, other.contexts), (
            "errors of different cells do not add"
        )
        layers = None if self.layers == [None] else [layer for layer in self.layers if layer is not None]
        merged = LayerErrors(self.target, layers, self.blocks, self.contexts, self.ratio.seed)
        merged.ratio = self.ratio.merge(other.ratio)
        merged._costs = self._costs + other._costs
        merged._weight = self._weight + other._weight
        merged._counted = self._counted + other._counted
        for name in {**self.means, **other.means}:
            both = [one.means[name] for one in (self, other) if name in one.means]
            merged.means[name] = both[0] if len(both) == 1 else both[0].merge(both[1])
        merged.moments = self.moments
        if self.moments is not None and other.moments is not None:
            merged.moments = self.moments.merge(other.moments)
        return merged

    def rows(self, model: str, head: str) -> Iterator[dict[str, Any]]:
        """Yields a record's row for every layer and context."""
        error, (low, high) = self.ratio.estimate(), self.ratio.interval()
        counted = [int(number) for number in self._counted.tolist()]
        weight = [each if each > 0 else 1.0 for each in self._weight.tolist()]
        further = {name: (mean.estimate(), *mean.interval()) for name, mean in self.means.items()}
        if self.moments is not None:
            band = self.explained()
            further["r2"] = (band.value, band.low, band.high)
        for i, layer in enumerate(self.layers):
            for j, context in enumerate(self.contexts):
                yield {
                    "model": model,
                    "layer": layer,
                    "depth": None if layer is None else layer / self.blocks,
                    "context": context,
                    "target": self.target,
                    "head": head,
                    "mse": self._costs[i, j].item() / weight[j],
                    "error": error[i, j].item(),
                    "low": low[i, j].item(),
                    "high": high[i, j].item(),
                    "prompts": counted[j],
                } | {
                    f"{name}{end}": values[i, j].item()
                    for name, ends in further.items()
                    for end, values in zip(("", "_low", "_high"), ends, strict=True)
                }
