"""The errors of one head by layer and context, gathered prompt by prompt with their bands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from probe.statistics.bootstrap import RatioBootstrap


class LayerErrors:
    """Sums squared errors and squared targets over prompts; `error` is their ratio, with 95 % bands by prompt.

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
        self._squared = torch.zeros(len(self.layers), len(self.contexts), dtype=torch.float64)

    def update(
        self,
        numbers: Sequence[int],
        predicted: Float[Tensor, "layer batch context target"],
        target: Float[Tensor, "batch context target"],
    ) -> None:
        """Adds a batch of prompts by their numbers."""
        truth = target.double()
        squared = (predicted.double() - truth).square().sum(-1).transpose(0, 1)
        self.add(numbers, squared, truth.square().sum(-1)[:, None])

    def add(
        self,
        numbers: Sequence[int],
        squared: Float[Tensor, "batch layer context"],
        zero: Float[Tensor, "batch one context"],
    ) -> None:
        """Adds squared errors, and what predicting zero would have cost, of a batch of prompts."""
        self._squared += squared.sum(0)
        self.ratio.update(numbers, squared, zero)

    def rows(self, model: str, head: str) -> Iterator[dict[str, Any]]:
        """Yields a record's row for every layer and context."""
        error, (low, high) = self.ratio.estimate(), self.ratio.interval()
        for i, layer in enumerate(self.layers):
            for j, context in enumerate(self.contexts):
                yield {
                    "model": model,
                    "layer": layer,
                    "depth": None if layer is None else layer / self.blocks,
                    "context": context,
                    "target": self.target,
                    "head": head,
                    "mse": self._squared[i, j].item() / self.ratio.prompts,
                    "error": error[i, j].item(),
                    "low": low[i, j].item(),
                    "high": high[i, j].item(),
                    "prompts": self.ratio.prompts,
                }
