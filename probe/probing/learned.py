"""What learners find on prompts: their answers to the queries, and the weights behind them."""

from __future__ import annotations

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from probe.learners import Examples, Learner, LinearLearner, run
from probe.tasks import Prompts


def learned(learner: Learner, prompts: Prompts) -> Float[Tensor, "batch query 1"]:
    """Returns a learner's answers to the queries, from the examples before each and what the task tells of them."""
    noise, clean = prompts.parameters.get("noise"), prompts.parameters.get("clean")
    return run(learner, prompts.x, prompts.y, prompts.contexts, noise, clean)[..., None]


def weights_of(learner: LinearLearner, prompts: Prompts) -> Float64[Tensor, "batch query dim"]:
    """Returns the weights that a learner finds from the examples before each query."""
    noise, clean = prompts.parameters.get("noise"), prompts.parameters.get("clean")
    everything = Examples(prompts.x, prompts.y, noise, clean)
    return torch.stack([learner.weights(everything.first(context)) for context in prompts.contexts], dim=1)
