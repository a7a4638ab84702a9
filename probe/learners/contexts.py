"""A learner's predictions along whole prompts."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from probe.learners.examples import Examples
from probe.learners.learner import Learner


def run(
    learner: Learner,
    x: Float[Tensor, "batch points dim"],
    y: Float[Tensor, "batch points"],
    contexts: Sequence[int],
    noise: Float[Tensor, " batch"] | None = None,
    clean: Bool[Tensor, "batch points"] | None = None,
) -> Float[Tensor, "batch context"]:
    """Returns the predicted y of every chosen point from the points before it.

    Args:
        learner: what predicts.
        x: each prompt's inputs.
        y: their values; those from the last chosen point on are not read.
        contexts: numbers of examples; point i, from 0, has i examples.
        noise: standard deviation of the noise on y, where the task tells it.
        clean: False marks an outlier, where the task tells it.
    """
    everything = Examples(x, y, noise, clean)
    predicted = [learner.predict(everything.first(context), x[:, context]) for context in contexts]
    return torch.stack(predicted, dim=1)
