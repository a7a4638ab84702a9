"""Runs an implementation, and measures how far tensors are from those that they should be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from probe.kernels.checks.implementation import Whole
from probe.kernels.checks.operation import Operands

FLOOR = 1e-2
"""Of the largest gradient by any operand: a smaller one, as that by a decay after one token, counts as so large."""


@dataclass(frozen=True)
class Ran:
    """What an implementation has returned, on the CPU."""

    output: Tensor
    gradients: Mapping[str, Tensor]


@dataclass(frozen=True)
class Gap:
    """How far tensors are off, as a share of the largest number that is right.

    Args:
        size: not a number where a tensor holds what is none.
        where: the tensor that is furthest off.
    """

    size: float
    where: str

    def within(self, allowed: float) -> bool:
        """Returns whether it is no larger than allowed."""
        return self.size <= allowed


def run(whole: Whole, operands: Operands) -> Ran:
    """Returns the output, and the gradient of a weighted sum of it by every operand."""
    leaves = {name: tensor.clone().requires_grad_() for name, tensor in operands.items()}
    output = whole(leaves)
    weights = torch.randn(output.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    gradients = torch.autograd.grad(output, list(leaves.values()), weights.to(output), materialize_grads=True)
    named = {name: each.cpu() for name, each in zip(leaves, gradients, strict=True)}
    return Ran(output.detach().cpu(), named)


def output_gap(found: Tensor, right: Tensor, where: str = "output") -> Gap:
    """Returns how far an output is from the right one."""
    return Gap(_share(found, right, _largest(right)), where)


def gradient_gap(found: Ran, right: Ran) -> Gap:
    """Returns how far the gradient is that is furthest from the right one."""
    floor = FLOOR * max(_largest(each) for each in right.gradients.values())
    return worst(
        [
            Gap(_share(found.gradients[name], each, max(_largest(each), floor)), f"gradient by {name}")
            for name, each in right.gradients.items()
        ]
    )


def worst(gaps: list[Gap]) -> Gap:
    """Returns the largest of some gaps; what is not a number is larger than any."""
    return max(gaps, key=lambda gap: float("inf") if gap.size != gap.size else gap.size)


def _largest(tensor: Tensor) -> float:
    return float(tensor.abs().max())


def _share(found: Tensor, right: Tensor, largest: float) -> float:
    off = float((found.cpu().to(right) - right).abs().max())
    return off / largest if off else 0.0
