"""Linear regression on inputs with a skewed covariance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from probe.fields import Dimension, Range, Scale, Size, Spread
from probe.randomness import Source, pool
from probe.tasks.choices import check_functions, weights
from probe.tasks.prompts import Prompts, paired, truncate
from probe.tasks.task import Task


@dataclass(frozen=True)
class SkewedLinear(Task):
    """Draws y = w.x with x ~ N(0, B B'), where B has eigenvalues proportional to i^-power in a random basis.

    Grazzi et al. (2024), arXiv:2402.03170, section 3.1: with power 1 the covariance's i-th eigenvalue is
    proportional to 1/i². B is scaled so that the covariance's trace is `dim`; the target's variance is then that of
    `linear`, dim * x_scale² * y_scale², plus noise² where it is noisy. With dim 2 the eigenvalues of the covariance are
    1.6 and 0.4.

    Args:
        dim: dimension of x.
        power: decay of B's eigenvalues.
        group_size: prompts that share one B, by number; the paper says one per prompt (1), the released code draws
            one per batch (64).
        x_scale: factor on x.
        y_scale: factor on y.
        functions: how many different w there are; 0 draws a fresh one for each prompt. With 1 there is nothing to
            learn in context, a control; small pools are those of Raventós et al. (2023), arXiv:2306.15063.
        noise: standard deviation of the noise that is added to y; none is unless given.
        target: whether the query's target is the noisy y, or the clean w.x.
    """

    linear: ClassVar[bool] = True
    references: ClassVar[tuple[str, ...]] = ("least_squares", "averaging", "knn")

    dim: Dimension = 20
    power: Annotated[float, Range(0, 8)] = 1.0
    group_size: Size = 1
    x_scale: Scale = 1.0
    y_scale: Scale = 1.0
    functions: Annotated[int, Range(0, 2**20)] = 0
    noise: Spread = 0.0
    target: Literal["noisy", "clean"] = "noisy"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_functions(self.functions, self.dim)

    def draw(self, source: Source, context: int, active: int | None = None) -> Prompts:
        """Draws prompts with `context` examples before the last query; coordinates from `active` on are 0.

        They are set to 0 after the rotation, as in the released code: a truncated x is not normalised.
        """
        root = skewed_root(source.grouped(self.group_size), self.dim, self.power)
        w = weights(source, self.dim, self.functions)
        x = torch.einsum("bcd,bde->bce", source.normal(context + 1, self.dim), root) * self.x_scale
        x = truncate(x, active)
        clean = self.y_scale * torch.einsum("bcd,bd->bc", x, w)
        drawn = {"w": self.y_scale * w, "covariance_root": root * self.x_scale}
        if self.noise == 0:
            return paired(x, clean, drawn)
        y = clean + self.noise * source.normal(context + 1)
        target = y if self.target == "noisy" else clean
        return paired(x, y, drawn | {"noise": torch.full_like(y[:, 0], self.noise)}, targets=target)

    @property
    def known(self) -> Tensor | None:
        """The w that there are, where they are a finite set."""
        return self.y_scale * pool(self.functions, self.dim) if self.functions else None

    @property
    def variance(self) -> float:
        """The target's expected square: the mean squared error of predicting zero."""
        clean = self.dim * self.x_scale**2 * self.y_scale**2
        return clean + (self.noise**2 if self.target == "noisy" else 0.0)


def skewed_root(source: Source, dim: int, power: float) -> Float[Tensor, "batch {dim} {dim}"]:
    """Returns symmetric roots, with eigenvalues proportional to i^-power, of covariances of trace `dim`."""
    # the left singular vectors of a Gaussian matrix are uniform (Haar) up to signs, which cancel in U S U';
    # so is the Q of its QR decomposition, which is ten times as fast
    basis = torch.linalg.qr(source.normal(dim, dim)).Q
    eigenvalues = torch.arange(1.0, dim + 1, device=basis.device) ** -power
    eigenvalues = eigenvalues * (dim / eigenvalues.square().sum()).sqrt()
    return torch.einsum("bij,j,bkj->bik", basis, eigenvalues, basis)
