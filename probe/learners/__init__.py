"""Classical algorithms run on the same prompts as the models. One is named with options: ``gd:steps=10,rate=0.1``."""

from __future__ import annotations

from typing import Any

from probe.learners.contexts import run
from probe.learners.examples import Examples
from probe.learners.learner import IterativeLearner, Learner, LinearLearner
from probe.options import build
from probe.registries import Registry

__all__ = [
    "LEARNERS",
    "Examples",
    "IterativeLearner",
    "Learner",
    "LinearLearner",
    "make",
    "run",
]

LEARNERS: Registry[type[Learner]] = Registry(
    "probe.learners",
    {
        "least_squares": "least_squares:LeastSquares",
        "masked_least_squares": "masked_least_squares:MaskedLeastSquares",
        "power_least_squares": "power_least_squares:PowerLeastSquares",
        "ridge": "ridge:Ridge",
        "generalised_least_squares": "generalised_least_squares:GeneralisedLeastSquares",
        "kalman": "kalman:Kalman",
        "discrete_posterior": "discrete_posterior:DiscretePosterior",
        "lasso": "lasso:Lasso",
        "averaging": "averaging:Averaging",
        "knn": "knn:NearestNeighbours",
        "gd": "gd:GradientDescent",
        "gd_plus_plus": "gd_plus_plus:GradientDescentPlusPlus",
        "online_gd": "online_gd:OnlineGradientDescent",
        "newton": "newton:Newton",
        "conjugate_gradient": "conjugate_gradient:ConjugateGradient",
        "network": "network:Network",
        "tree": "tree:Tree",
        "boosting": "boosting:Boosting",
    },
)


def make(text: str) -> Learner:
    """Returns the learner that a text names, ``NAME`` or ``NAME:option=value,...``.

    Raises:
        ProbeError: if the name, an option or a value is not the learner's.
    """
    return build(LEARNERS, "learner", text)


def __getattr__(name: str) -> Any:
    """Returns the class of a learner by its own name, as in `probe.learners.LeastSquares`."""
    return LEARNERS.named(name)
