"""Preconditioned gradient descent: Ahn et al. (2023), arXiv:2306.00297, Theorem 4, one matrix for all prompts."""

from __future__ import annotations

from typing import ClassVar

import torch
from jaxtyping import Float64
from torch import Tensor

from probe.evidence.families.family import Family, rates
from probe.evidence.families.gd import even
from probe.evidence.families.moments import Moments


class Preconditioned(Family):
    """w <- w + eta_l A X'(y - X w) / L, with a symmetric A and L, the mean largest eigenvalue, the same for all."""

    name: ClassVar[str] = "preconditioned_gd"

    def starts(self, blocks: int, dim: int) -> list[Float64[Tensor, " number"]]:
        """Returns middling rates and no preconditioning."""
        return [torch.cat([even(blocks, 0.7), torch.eye(dim, dtype=torch.float64).flatten()])]

    def path(self, numbers: Float64[Tensor, " number"], given: Moments, blocks: int) -> list[Tensor]:
        """Returns the weights before the first block and after each."""
        found, matrix = [given.zero], self._matrix(numbers[blocks:])
        for rate in rates(numbers[:blocks]):
            found.append(found[-1] + rate / given.unit * given.descent(found[-1]) @ matrix)
        return found

    def told(self, numbers: Float64[Tensor, " number"], blocks: int) -> dict[str, list[float]]:
        """Returns the rates, and the eigenvalues of the matrix."""
        matrix = self._matrix(numbers[blocks:])
        return {"rate": rates(numbers[:blocks]).tolist(), "eigenvalue": torch.linalg.eigvalsh(matrix).tolist()}

    @staticmethod
    def _matrix(numbers: Tensor) -> Tensor:
        dim = round(len(numbers) ** 0.5)
        square = numbers.reshape(dim, dim)
        return (square + square.T) / 2
