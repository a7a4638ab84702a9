"""A decision tree fitted greedily to the examples of each prompt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor

from probe.fields import Checked, Range
from probe.learners.examples import Examples
from probe.learners.learner import Learner


@dataclass(frozen=True)
class Tree(Checked, Learner):
    """Predicts by a greedy decision tree, scikit-learn's DecisionTreeRegressor (Garg et al., 2022).

    Trees are grown prompt by prompt. Grazzi et al. (2024) show depth 4 and none under one name; their text says 2.

    Args:
        depth: at most; none for leaves of one value.
    """

    depth: Annotated[int, Range(1, 64)] | None = 4

    def predict(self, examples: Examples, query: Float[Tensor, "batch dim"]) -> Float[Tensor, " batch"]:
        """Returns the predicted y of each prompt's query."""
        from sklearn.tree import DecisionTreeRegressor

        predicted = torch.zeros_like(query[:, 0], dtype=examples.y.dtype)
        if examples.count == 0:
            return predicted
        x, y, asked = (each.detach().cpu().numpy() for each in (examples.x, examples.y, query))
        for prompt in range(len(x)):
            # splits of equal gain are drawn from; always in the same order
            tree = DecisionTreeRegressor(max_depth=self.depth, random_state=0).fit(x[prompt], y[prompt])
            predicted[prompt] = tree.predict(asked[prompt : prompt + 1])[0]
        return predicted
