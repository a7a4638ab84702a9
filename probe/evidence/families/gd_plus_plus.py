"""GD++: gradient descent on inputs that every block transforms, with a rate and a gamma for every block."""

from __future__ import annotations

from typing import ClassVar

import torch
from jaxtyping import Float64
from torch import Tensor

from probe.evidence.families.family import Family, rates
from probe.evidence.families.gd import even
from probe.evidence.families.moments import Moments


class GradientDescentPlusPlusPerBlock(Family):
    """A step on X, and X <- X (I - gamma X'X / L) after it: von Oswald et al. (2023), arXiv:2212.07677, section 4."""

    name: ClassVar[str] = "gd_plus_plus_per_block"

    def starts(self, blocks: int, dim: int) -> list[Float64[Tensor, " number"]]:
        """Returns middling rates, with a little transformation."""
        return [torch.cat([even(blocks, 0.7), torch.tensor([-2.0], dtype=torch.float64)])]

    def path(self, numbers: Float64[Tensor, " number"], given: Moments, blocks: int) -> list[Tensor]:
        """Returns the weights before the first block and after each."""
        found, gamma = [given.zero], numbers[-1].sigmoid()
        identity = torch.eye(given.hessian.shape[-1], dtype=torch.float64).expand_as(given.hessian)
        basis = identity
        for rate in rates(numbers[:-1]):
            moved = torch.einsum("pij,pkj,pk->pi", basis, basis, given.descent(found[-1]))
            found.append(found[-1] + rate / given.largest * moved)
            transformed = basis.mT @ given.hessian @ basis / given.largest[..., None]
            basis = basis @ (identity - gamma * transformed)
        return found

    def told(self, numbers: Float64[Tensor, " number"], blocks: int) -> dict[str, list[float]]:
        """Returns the rates and gamma."""
        return {"rate": rates(numbers[:-1]).tolist(), "gamma": [float(numbers[-1].sigmoid())]}
