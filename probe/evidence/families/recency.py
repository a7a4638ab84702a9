"""Gradient descent on examples of which late ones count more; its limit is least squares with forgetting."""

from __future__ import annotations

from typing import ClassVar

import torch
from jaxtyping import Float64
from torch import Tensor

from probe.evidence.families.family import Family, rates
from probe.evidence.families.gd import even
from probe.evidence.families.moments import Moments


class Recency(Family):
    """w <- w + eta_l X'D(y - X w) / L, D the powers of a factor rho by the examples' age, rho fitted for all prompts.

    Recursive least squares with a forgetting factor goes to the same limit (Haykin, 2002, Adaptive Filter Theory,
    chapter 9).
    """

    name: ClassVar[str] = "recency_gd"

    def starts(self, blocks: int, dim: int) -> list[Float64[Tensor, " number"]]:
        """Returns middling rates, with a little forgetting."""
        return [torch.cat([even(blocks, 0.7), torch.tensor([2.0], dtype=torch.float64)])]

    def path(self, numbers: Float64[Tensor, " number"], given: Moments, blocks: int) -> list[Tensor]:
        """Returns the weights before the first block and after each."""
        age = torch.arange(given.x.shape[1] - 1, -1, -1, dtype=torch.float64)
        heavy = given.x * (numbers[-1].sigmoid() ** age)[:, None]
        hessian, correlation = heavy.mT @ given.x, torch.einsum("pnd,pn->pd", heavy, given.y)
        largest = torch.linalg.eigvalsh(hessian)[:, -1:].clamp(min=1e-12)
        found = [given.zero]
        for rate in rates(numbers[:-1]):
            descent = correlation - torch.einsum("pij,pj->pi", hessian, found[-1])
            found.append(found[-1] + rate / largest * descent)
        return found

    def told(self, numbers: Float64[Tensor, " number"], blocks: int) -> dict[str, list[float]]:
        """Returns the rates, and what an example's weight is multiplied with at every later one."""
        return {"rate": rates(numbers[:-1]).tolist(), "forgetting": [float(numbers[-1].sigmoid())]}
