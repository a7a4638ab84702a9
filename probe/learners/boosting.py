"""Gradient-boosted trees fitted to the examples of each prompt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import torch
from jaxtyping import Float
from torch import Tensor

from probe.errors import ProbeError
from probe.fields import Checked, Range, Share
from probe.learners.examples import Examples
from probe.learners.learner import Learner


@dataclass(frozen=True)
class Boosting(Checked, Learner):
    """Predicts by gradient-boosted trees, xgboost's XGBRegressor (Garg et al., 2022); needs layerprobe[boosting].

    Trees are grown prompt by prompt. The defaults are xgboost's own, as in the code released with Grazzi et al.
    (2024), whose text says 50 trees of depth 4 with rate 0.1.

    Args:
        trees: how many.
        depth: of each, at most.
        rate: the factor on each tree.
    """

    trees: Annotated[int, Range(1, 10_000)] = 100
    depth: Annotated[int, Range(1, 64)] = 6
    rate: Share = 0.3

    def predict(self, examples: Examples, query: Float[Tensor, "batch dim"]) -> Float[Tensor, " batch"]:
        """Returns the predicted y of each prompt's query.

        Raises:
            ProbeError: if xgboost is not installed.
        """
        kind = _regressor()
        predicted = torch.zeros_like(query[:, 0], dtype=examples.y.dtype)
        if examples.count == 0:
            return predicted
        x, y, asked = (each.detach().cpu().numpy() for each in (examples.x, examples.y, query))
        for prompt in range(len(x)):
            grown = kind(
                n_estimators=self.trees, max_depth=self.depth, learning_rate=self.rate, n_jobs=1, random_state=0
            ).fit(x[prompt], y[prompt])
            predicted[prompt] = float(grown.predict(asked[prompt : prompt + 1])[0])
        return predicted


def _regressor() -> Any:
    try:
        from xgboost import XGBRegressor
    except ImportError as error:
        raise ProbeError(
            "boosting was asked for, but it needs xgboost, which is not installed. Run "
            "pip install 'layerprobe[boosting]'."
        ) from error
    return XGBRegressor
