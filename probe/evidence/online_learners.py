"""Weights after every example: of learners that take the examples one by one, and of those that take them all at once.

Online learners correct the running weights by the error that they make on the next example; what they hold depends on
the order of the examples. Least mean squares and its normalised form are Widrow & Hoff's (1960); with forgetting the
same step is the gated delta rule (Yang et al., 2024, arXiv:2412.06464). Mambas have been held for such a learner
(arXiv:2509.23779). Recursive least squares with forgetting is weighted least squares, computed one example at a time:
what it holds does not tell an online learner from a batch algorithm that weighs late examples more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float64
from torch import Tensor

Kind = Literal["online", "either", "batch"]
KINDS: Mapping[str, Kind] = {
    "lms": "online",
    "normalised_lms": "online",
    "delta_rule": "online",
    "recursive_least_squares": "either",
    "averaging": "batch",
    "decaying_averaging": "batch",
    "gradient_descent": "batch",
    "ridge": "batch",
}
"""Every learner, and whether it corrects its weights from example to example; a sum that decays corrects nothing."""

RATES = (0.06, 0.125, 0.25, 0.5, 0.75, 1.0, 1.5)
"""Step sizes, over the one that would fit a typical example exactly."""
SHARES = (0.06, 0.125, 0.25, 0.5, 0.75, 1.0, 1.25)
"""Of each example's own error that a normalised step takes."""
KEEPS = (0.7, 0.8, 0.9, 0.95, 0.98)
"""What is kept of weights or moments at every example."""
PENALTIES = (1e-3, 0.03, 0.1, 0.3, 1.0, 3.0)
"""Of ridge regression, in units of the mean square of a coordinate of x."""
STEPS = (1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0)
"""Of gradient descent on all examples so far, of size 1 / L."""

X = Float64[Tensor, "prompt example dim"]
Y = Float64[Tensor, "prompt example"]


@dataclass(frozen=True, eq=False)
class Held:
    """What one learner under one setting holds.

    Attributes:
        options: its numbers by name, each with the smallest and the largest that are tried.
        weights: after every example.
    """

    learner: str
    options: dict[str, tuple[float, float, float]]
    weights: Float64[Tensor, "prompt example dim"]

    @property
    def setting(self) -> str:
        """The learner and its numbers in words."""
        return ":".join([self.learner, *(f"{name}={value[0]:g}" for name, value in self.options.items())])


def held(x: X, y: Y, size: float) -> Iterator[Held]:
    """Yields every learner under every setting, in the same order for all prompts.

    Args:
        size: the mean of |x|² over the prompts that settings are chosen on.
    """
    for rate in RATES:
        options = {"rate": _of(rate, RATES)}
        yield Held("lms", options, _corrected(x, y, rate / size, 1.0))
        for keep in KEEPS:
            yield Held("delta_rule", options | {"keep": _of(keep, KEEPS)}, _corrected(x, y, rate / size, keep))
    for share in SHARES:
        yield Held("normalised_lms", {"rate": _of(share, SHARES)}, _corrected(x, y, share, 1.0, normalised=True))
    for normalised in (0.0, 1.0):
        # an example counts by 1 / |x|², as it does for a model that norms what it reads
        length = x.norm(dim=-1).clamp(min=1e-12) if normalised else torch.ones_like(y)
        scale = 1 / x.shape[-1] if normalised else size / x.shape[-1]
        switch = {"normalised": (normalised, 0.0, 1.0)}
        yield from _at_once(x / length[..., None], y / length, scale, switch)


def _at_once(x: X, y: Y, scale: float, switch: dict[str, tuple[float, float, float]]) -> Iterator[Held]:
    """Yields the learners that follow from weighted moments of the examples so far, all at once."""
    hessian, correlation = _moments(x, y, 1.0)
    identity = torch.eye(x.shape[-1], dtype=x.dtype)
    for penalty in PENALTIES:
        found = torch.linalg.solve(hessian + penalty * scale * identity, correlation)
        yield Held("ridge", {"penalty": _of(penalty, PENALTIES)} | switch, found)
    for keep in KEEPS:
        of_late = _moments(x, y, keep)
        for penalty in PENALTIES:
            found = torch.linalg.solve(of_late[0] + penalty * scale * identity, of_late[1])
            options = {"keep": _of(keep, KEEPS), "penalty": _of(penalty, PENALTIES)} | switch
            yield Held("recursive_least_squares", options, found)
        yield Held("decaying_averaging", {"keep": _of(keep, KEEPS)} | switch, of_late[1])
    yield Held("averaging", switch, correlation)
    largest = torch.linalg.eigvalsh(hessian)[..., -1:].clamp(min=1e-12)
    w = torch.zeros_like(correlation)
    for step in range(1, round(max(STEPS)) + 1):
        w = w + (correlation - torch.einsum("ptij,ptj->pti", hessian, w)) / largest
        if step in STEPS:
            yield Held("gradient_descent", {"steps": _of(float(step), STEPS)} | switch, w)


def _corrected(x: X, y: Y, rate: float, keep: float, normalised: bool = False) -> Tensor:
    """Returns the weights of w <- keep w + rate (y - w.x) x, the step over |x|² where it is normalised."""
    w, found = torch.zeros_like(x[:, 0]), []
    for now, wanted in zip(x.unbind(1), y.unbind(1), strict=True):
        error = wanted - (w * now).sum(-1)
        size = now.square().sum(-1).clamp(min=1e-12) if normalised else torch.ones_like(error)
        w = keep * w + (rate * error / size)[:, None] * now
        found.append(w)
    return torch.stack(found, dim=1)


def _moments(x: X, y: Y, keep: float) -> tuple[Tensor, Tensor]:
    """Returns X'X and X'y after every example, each of which counts ``keep`` times as much as the one after it."""
    hessian, correlation = torch.zeros_like(x[:, 0, :, None] * x[:, 0, None]), torch.zeros_like(x[:, 0])
    hessians, correlations = [], []
    for now, wanted in zip(x.unbind(1), y.unbind(1), strict=True):
        hessian = keep * hessian + now[:, :, None] * now[:, None]
        correlation = keep * correlation + wanted[:, None] * now
        hessians.append(hessian)
        correlations.append(correlation)
    return torch.stack(hessians, dim=1), torch.stack(correlations, dim=1)


def _of(value: float, grid: tuple[float, ...]) -> tuple[float, float, float]:
    return value, min(grid), max(grid)
