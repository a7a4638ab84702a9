"""The lasso, by coordinate descent on all prompts at once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float64
from torch import Tensor

from probe.errors import ProbeError
from probe.fields import Checked, Positive, Size
from probe.learners.examples import Examples
from probe.learners.learner import LinearLearner

JUMPS = 8  # after every sweep: few enough to be cheap, enough to drop the weights that a sweep adds in excess
LEVEL = 1e-14  # of the largest curvature: what a system of more weights than examples is raised by
ROUNDING = 1e-14  # of |y|² / n


@dataclass(frozen=True)
class Lasso(Checked, LinearLearner):
    """Predicts by the w that minimises |Xw - y|² / 2n + penalty |w|₁, without an intercept.

    Coordinate descent (Friedman, Hastie & Tibshirani, 2010), whose slow tail with few examples is cut short: between
    sweeps the minimum over weights of the present signs is solved for and approached until a sign changes (Lee et
    al., 2006, "Efficient sparse coding algorithms"). A prompt is done when its duality gap, which bounds how far the
    objective is above its minimum, is below the tolerance.

    Args:
        penalty: positive; scikit-learn's alpha.
        tolerance: of the duality gap, as a share of the objective at w = 0.
        sweeps: over the coordinates, at most.
    """

    penalty: Positive = 0.01
    tolerance: Positive = 1e-9
    sweeps: Size = 1000

    def weights(self, examples: Examples) -> Float64[Tensor, "batch dim"]:
        """Returns the minimiser of each prompt.

        Raises:
            ProbeError: if a prompt is not done after all sweeps.
        """
        gram, correlation = examples.second_moments()
        weights = torch.zeros_like(correlation)
        left = torch.arange(len(weights), device=weights.device)
        if examples.count == 0:
            return weights
        for _ in range(self.sweeps):
            problem = _Problem(examples.x[left].double(), examples.y[left].double(), gram[left], correlation[left])
            found, gap = problem.improve(weights[left], self.penalty)
            weights[left] = found
            left = left[gap > self.tolerance * problem.y.square().mean(-1) / 2]
            if len(left) == 0:
                return weights
        raise ProbeError(
            f"lasso stopped after {self.sweeps} sweeps with {len(left)} prompts above the tolerance {self.tolerance}, "
            "but all must be below it. Give more sweeps or a larger tolerance."
        )


@dataclass(frozen=True, eq=False)
class _Problem:
    """The prompts that are not done yet."""

    x: Float64[Tensor, "batch examples dim"]
    y: Float64[Tensor, "batch examples"]
    gram: Float64[Tensor, "batch dim dim"]
    correlation: Float64[Tensor, "batch dim"]

    def improve(
        self, weights: Float64[Tensor, "batch dim"], penalty: float
    ) -> tuple[Float64[Tensor, "batch dim"], Float64[Tensor, " batch"]]:
        """Returns the weights after a sweep and some jumps, and their duality gaps."""
        weights = self._sweep(weights, penalty)
        for _ in range(JUMPS):
            weights = self._jump(weights, penalty)
        return weights, self._gap(weights, penalty)

    def _sweep(self, weights: Float64[Tensor, "batch dim"], penalty: float) -> Float64[Tensor, "batch dim"]:
        """Minimises over each coordinate in turn."""
        weights = weights.clone()
        for j in range(weights.shape[-1]):
            row, curvature = self.gram[:, j], self.gram[:, j, j]
            slope = self.correlation[:, j] - (row * weights).sum(-1) + curvature * weights[:, j]
            shrunk = torch.nn.functional.softshrink(slope, penalty)
            weights[:, j] = torch.where(curvature > 0, shrunk / curvature, 0.0)
        return weights

    def _jump(self, weights: Float64[Tensor, "batch dim"], penalty: float) -> Float64[Tensor, "batch dim"]:
        """Moves towards the minimum over these signs, to the lowest of the goal and the points where one is lost."""
        goal = self._solve(weights, penalty)
        crosses = weights * goal < 0
        share = torch.where(crosses, weights / (weights - goal), 0.0)[..., None]
        crossings = (weights[:, None] + share * (goal - weights)[:, None]).masked_fill(torch.diag_embed(crosses), 0.0)
        points = torch.cat([goal[:, None], weights[:, None], crossings], dim=1)
        value = self._objective(points, penalty)
        value[:, 0] -= ROUNDING * self.y.square().mean(-1)  # values agree near the minimum, where the goal is nearest
        return points[torch.arange(len(points), device=points.device), value.argmin(1)]

    def _objective(self, points: Float64[Tensor, "batch point dim"], penalty: float) -> Float64[Tensor, "batch point"]:
        """Returns the objective at each point, less that at 0."""
        squares = torch.einsum("bpi,bpi->bp", points @ self.gram, points) / 2
        linear = torch.einsum("bpi,bi->bp", points, self.correlation)
        return squares - linear + penalty * points.abs().sum(-1)

    def _solve(self, weights: Float64[Tensor, "batch dim"], penalty: float) -> Float64[Tensor, "batch dim"]:
        """Returns the minimum over weights with these signs, as if no weight could change its sign.

        With more weights than examples there is none; the way to it is then almost level in the squares, and the
        nearest to 0 of the surplus weights is dropped.
        """
        used = weights != 0
        system = torch.where(used[:, :, None] & used[:, None, :], self.gram, 0.0)
        level = LEVEL * self.gram.diagonal(dim1=1, dim2=2).amax(-1, keepdim=True)
        system = system + torch.diag_embed(torch.where(used, level, 1.0))
        right = torch.where(used, self.correlation - penalty * weights.sign(), 0.0)
        solved: Tensor = torch.linalg.solve(system, right)
        return solved

    def _gap(self, weights: Float64[Tensor, "batch dim"], penalty: float) -> Float64[Tensor, " batch"]:
        """Returns the objective less that of the dual at the residual, shrunk until it is feasible there."""
        residual = self.y - torch.einsum("bnd,bd->bn", self.x, weights)
        steepest = torch.einsum("bnd,bn->bd", self.x, residual).abs().amax(-1) / residual.shape[1]
        shrunk = residual * (penalty / steepest.clamp(min=penalty))[:, None]
        primal = residual.square().mean(-1) / 2 + penalty * weights.abs().sum(-1)
        dual = (self.y.square() - (self.y - shrunk).square()).mean(-1) / 2
        return primal - dual
