"""Nearest neighbours among the examples."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from probe.fields import Checked, Size
from probe.learners.examples import Examples
from probe.learners.learner import Learner


@dataclass(frozen=True)
class NearestNeighbours(Checked, Learner):
    """Predicts the mean y of the examples nearest to the query, by Euclidean distance (Garg et al., 2022).

    Args:
        neighbours: how many; all examples where there are fewer.
    """

    neighbours: Size = 3

    def predict(self, examples: Examples, query: Float[Tensor, "batch dim"]) -> Float[Tensor, " batch"]:
        """Returns the predicted y of each prompt's query."""
        if examples.count == 0:
            return torch.zeros_like(query[:, 0], dtype=examples.y.dtype)
        distance = (examples.x.double() - query.double().unsqueeze(1)).square().sum(-1)
        nearest = distance.topk(min(self.neighbours, examples.count), largest=False).indices
        return examples.y.gather(1, nearest).mean(-1)
