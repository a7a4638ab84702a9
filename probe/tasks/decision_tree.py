"""Decision trees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from probe.fields import Dimension, Range
from probe.randomness import Source
from probe.tasks.choices import whole
from probe.tasks.prompts import Prompts, paired, truncate
from probe.tasks.task import Task


@dataclass(frozen=True)
class DecisionTree(Task):
    """Draws a full binary tree that goes right where its node's coordinate of x is positive, and ends at y.

    Garg et al. (2022), arXiv:2208.01066, with depth 4 and 101 points. A node's coordinate is uniform, and may come
    again further down; a leaf's y and x are standard normal. Nodes are numbered row by row, leaves from left to
    right. With depth 2, the coordinates (1; 2, 1), the leaves (5, 6, 7, 8) and x = (-3, 4), y = 6. The target's
    variance is 1.

    Args:
        dim: dimension of x.
        depth: decisions from the root to a leaf.
    """

    references: ClassVar[tuple[str, ...]] = ("tree", "knn", "averaging")

    dim: Dimension = 20
    depth: Annotated[int, Range(1, 16)] = 4

    def draw(self, source: Source, context: int, active: int | None = None) -> Prompts:
        """Draws prompts with `context` examples before the last query; coordinates from `active` on are 0.

        As published, nodes decide on any coordinate; on one that is not active they go left.
        """
        splits = whole(source, self.dim, 2**self.depth - 1)
        leaves = source.normal(2**self.depth)
        x = truncate(source.normal(context + 1, self.dim), active)
        y = leaves.gather(1, self._leaf(x, splits))
        return paired(x, y, {"splits": splits, "leaves": leaves})

    def _leaf(
        self, x: Float[Tensor, "batch point dim"], splits: Int[Tensor, "batch node"]
    ) -> Int[Tensor, "batch point"]:
        """Returns the number of the leaf at which each x ends."""
        node = torch.zeros_like(x[..., 0], dtype=torch.long)
        for _ in range(self.depth):
            coordinate = splits.gather(1, node)
            right = x.gather(2, coordinate[..., None])[..., 0] > 0
            node = 2 * node + 1 + right.long()
        return node - splits.shape[1]

    @property
    def variance(self) -> float:
        """The target's expected square: the mean squared error of predicting zero."""
        return 1.0
