"""The algorithms that a model's layers may be compared with: the weights after each of their steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from probe import learners
from probe.learners import Examples, IterativeLearner, LinearLearner
from probe.learners.discrete_posterior import posterior_mean

STEPS = 128
"""The most steps of an iterative algorithm that layers are compared with."""
RATES = (0.05, 0.1, 0.2, 0.4, 0.8)
RIDGE = "ridge path"
DISCRETE = "discrete posterior path"
# variances of the noise, in units of the mean square of y over the examples, from a posterior that is almost the prior
VARIANCES = tuple(10.0**exponent for exponent in (4, 3, 2, 1.5, 1, 0.5, 0, -0.5, -1, -1.5, -2, -3))
# relative to the mean eigenvalue of X'X, from almost all shrunk to almost nothing
PENALTIES = tuple(10.0**exponent for exponent in (2, 1.5, 1, 0.5, 0, -0.5, -1, -1.5, -2, -3, -4))

GAMMAS = (1e-3, 3e-3, 1e-2)
ONLINE_RATES = (0.05, 0.1, 0.2)

# every algorithm has its step size tuned, on the selection prompts, among the same kinds of choices: by each prompt's
# own spectrum, and fixed ones
_RULES = ("optimal", "inverse_lipschitz", *map(str, RATES))
CANDIDATES: dict[str, tuple[str, ...]] = {
    "gd": tuple(f"gd:steps={STEPS},rate={rule}" for rule in _RULES),
    "gd_plus_plus": tuple(
        f"gd_plus_plus:steps={STEPS},transform=each,spectrum=own,rate={rule},gamma={gamma}"
        for rule in ("optimal", "inverse_lipschitz")
        for gamma in GAMMAS
    ),
    "online_gd": tuple(f"online_gd:rate={rule}" for rule in ("projection", *map(str, ONLINE_RATES))),
    "conjugate_gradient": (f"conjugate_gradient:steps={STEPS}",),
    "newton": (f"newton:steps={STEPS}",),
    "third_order_newton": (f"newton:steps={STEPS},order=3",),
    "least_squares": ("least_squares",),
    "averaging": ("averaging",),
}
"""By the algorithm's name, the settings that are tried. One-shot solvers have a single step."""


GRIDS: dict[str, tuple[str, tuple[float, ...]]] = {
    "gd": ("rate", RATES),
    "gd_plus_plus": ("gamma", GAMMAS),
    "online_gd": ("rate", ONLINE_RATES),
}
"""By the algorithm's name, the option that is tuned on a grid of numbers, and the grid."""


def tuned(setting: str) -> dict[str, float]:
    """Returns the numbers among a setting's tuned options, by name; a rule such as `optimal` is none."""
    name, _, options = setting.partition(":")
    given = dict(pair.split("=", 1) for pair in options.split(",") if "=" in pair)
    option = GRIDS.get(name, ("", ()))[0]
    with suppress(ValueError):
        return {option: float(given[option])} if option in given else {}
    return {}


def at_edge(setting: str) -> str:
    """Returns a warning where a tuned number is the smallest or the largest of its grid, which may be too narrow."""
    name = setting.partition(":")[0]
    for option, value in tuned(setting).items():
        grid = GRIDS[name][1]
        if value in (min(grid), max(grid)):
            end = "smallest" if value == min(grid) else "largest"
            return (
                f"{name} was chosen with {option} {value:g}, the {end} of {', '.join(f'{one:g}' for one in grid)}: "
                f"a better one may lie beyond."
            )
    return ""


Again = Callable[[Examples], Float64[Tensor, "step prompt dim"]]


@dataclass(frozen=True, eq=False)
class Path:
    """An algorithm under one setting: its weights before the first step, which are 0, and after every step.

    Attributes:
        again: returns the same of other examples.
        by_block: whether there is one step for every block of a model.
    """

    algorithm: str
    setting: str
    weights: Float64[Tensor, "step prompt dim"]
    again: Again
    by_block: bool = False


def paths(examples: Examples, known: Float[Tensor, "function dim"] | None = None) -> Iterator[Path]:
    """Yields every algorithm under every setting, and ridge regression as a path from heavy to light penalties.

    Args:
        known: the w that there are, where they are a finite set: then their posterior mean is a path, too, by the
            variance that is taken for the noise.
    """
    for algorithm, settings in CANDIDATES.items():
        for setting in settings:
            yield Path(algorithm, setting, path_of(setting, examples), partial(path_of, setting))
    yield Path("ridge", RIDGE, path_of(RIDGE, examples), partial(path_of, RIDGE))
    if known is not None:
        of_known = partial(_discrete, known=known.double())
        yield Path("discrete_posterior", DISCRETE, of_known(examples), of_known)


def path_of(setting: str, examples: Examples) -> Float64[Tensor, "step prompt dim"]:
    """Returns the weights of an algorithm under a setting: 0, and those after every step."""
    if setting == RIDGE:
        return _ridge(examples)
    learner = learners.make(setting)
    if isinstance(learner, IterativeLearner):
        return learner.iterates(examples)
    assert isinstance(learner, LinearLearner), f"{setting} has no weights to compare"
    found = learner.weights(examples)
    return torch.stack([torch.zeros_like(found), found])


def _ridge(examples: Examples) -> Float64[Tensor, "step prompt dim"]:
    hessian, correlation = examples.second_moments()
    scale = hessian.diagonal(dim1=-2, dim2=-1).mean(-1)[:, None, None]
    identity = torch.eye(hessian.shape[-1], dtype=hessian.dtype)
    found = [torch.linalg.solve(hessian + penalty * scale * identity, correlation) for penalty in PENALTIES]
    return torch.stack([torch.zeros_like(correlation), *found])


def _discrete(examples: Examples, known: Float64[Tensor, "function dim"]) -> Float64[Tensor, "step prompt dim"]:
    """Returns 0 and the posterior means of a known set of w, from much noise to little."""
    size = examples.y.double().square().mean(1).clamp(min=torch.finfo(torch.float64).tiny)
    found = [posterior_mean(examples, known, variance * size) for variance in VARIANCES]
    return torch.stack([torch.zeros_like(found[0]), *found])
