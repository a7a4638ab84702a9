"""Linear regression on inputs with a skewed covariance."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from probe.randomness import Source
from probe.tasks.prompts import Prompts, interleave, queries, truncate


@dataclass(frozen=True)
class SkewedLinear:
    """Draws y = w.x with x ~ N(0, B B'), where B has eigenvalues proportional to i^-power in a random basis.

    Grazzi et al. (2024), arXiv:2402.03170, section 3.1: with power 1 the covariance's i-th eigenvalue is
    proportional to 1/i². B is scaled so that the covariance's trace is `dim`; the target's variance is then that of
    `linear`, dim * x_scale² * y_scale². With dim 2 the eigenvalues of the covariance are 1.6 and 0.4.

    Args:
        dim: dimension of x.
        power: decay of B's eigenvalues.
        group_size: prompts that share one B, by number; the paper says one per prompt (1), the released code draws
            one per batch (64).
        x_scale: factor on x.
        y_scale: factor on y.
    """

    dim: int = 20
    power: float = 1.0
    group_size: int = 1
    x_scale: float = 1.0
    y_scale: float = 1.0

    def draw(self, source: Source, context: int, active: int | None = None) -> Prompts:
        """Draws prompts with `context` examples before the last query; coordinates from `active` on are 0.

        They are set to 0 after the rotation, as in the released code: a truncated x is not normalised.
        """
        root = self._covariance_root(source)
        w = source.normal(self.dim)
        x = torch.einsum("bcd,bde->bce", source.normal(context + 1, self.dim), root) * self.x_scale
        x = truncate(x, active)
        y = self.y_scale * torch.einsum("bcd,bd->bc", x, w)
        drawn = {"w": self.y_scale * w, "covariance_root": root * self.x_scale}
        return Prompts(interleave(x, y), y, queries(context + 1, x.device), x, y, drawn)

    def _covariance_root(self, source: Source) -> Float[Tensor, "batch dim dim"]:
        # the left singular vectors of a Gaussian matrix are uniform (Haar) up to signs, which cancel in U S U';
        # so is the Q of its QR decomposition, which is ten times as fast
        basis = torch.linalg.qr(source.grouped(self.group_size).normal(self.dim, self.dim)).Q
        eigenvalues = torch.arange(1.0, self.dim + 1, device=basis.device) ** -self.power
        eigenvalues = eigenvalues * (self.dim / eigenvalues.square().sum()).sqrt()
        return torch.einsum("bij,j,bkj->bik", basis, eigenvalues, basis)

    @property
    def variance(self) -> float:
        """The target's expected square: the mean squared error of predicting zero."""
        return self.dim * self.x_scale**2 * self.y_scale**2
