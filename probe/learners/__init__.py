"""Classical algorithms run on the same prompts as the models. One is named with options: ``gd:steps=10,rate=0.1``."""

from __future__ import annotations

from probe.learners.averaging import Averaging
from probe.learners.boosting import Boosting
from probe.learners.conjugate_gradient import ConjugateGradient
from probe.learners.contexts import run
from probe.learners.examples import Examples
from probe.learners.gd import GradientDescent
from probe.learners.gd_plus_plus import GradientDescentPlusPlus
from probe.learners.knn import NearestNeighbours
from probe.learners.lasso import Lasso
from probe.learners.learner import IterativeLearner, Learner, LinearLearner
from probe.learners.least_squares import LeastSquares
from probe.learners.masked_least_squares import MaskedLeastSquares
from probe.learners.network import Network
from probe.learners.newton import Newton
from probe.learners.online_gd import OnlineGradientDescent
from probe.learners.power_least_squares import PowerLeastSquares
from probe.learners.ridge import Ridge
from probe.learners.tree import Tree
from probe.options import build

__all__ = [
    "LEARNERS",
    "Averaging",
    "Boosting",
    "ConjugateGradient",
    "Examples",
    "GradientDescent",
    "GradientDescentPlusPlus",
    "IterativeLearner",
    "Lasso",
    "Learner",
    "LeastSquares",
    "LinearLearner",
    "MaskedLeastSquares",
    "NearestNeighbours",
    "Network",
    "Newton",
    "OnlineGradientDescent",
    "PowerLeastSquares",
    "Ridge",
    "Tree",
    "make",
    "run",
]

LEARNERS: dict[str, type[Learner]] = {
    "least_squares": LeastSquares,
    "masked_least_squares": MaskedLeastSquares,
    "power_least_squares": PowerLeastSquares,
    "ridge": Ridge,
    "lasso": Lasso,
    "averaging": Averaging,
    "knn": NearestNeighbours,
    "gd": GradientDescent,
    "gd_plus_plus": GradientDescentPlusPlus,
    "online_gd": OnlineGradientDescent,
    "newton": Newton,
    "conjugate_gradient": ConjugateGradient,
    "network": Network,
    "tree": Tree,
    "boosting": Boosting,
}


def make(text: str) -> Learner:
    """Returns the learner that a text names, ``NAME`` or ``NAME:option=value,...``.

    Raises:
        ProbeError: if the name, an option or a value is not the learner's.
    """
    return build(LEARNERS, "learner", text)
