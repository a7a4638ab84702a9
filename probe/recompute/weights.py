"""A part's stored tensors, by default in double precision, with a note of which were read; and what maps they make."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor


class LackingError(Exception):
    """A tensor that the equations need and the file does not hold; its name."""


class ImpossibleError(Exception):
    """Why a part cannot be recomputed: what it would take that is not written here."""


class Weights:
    """The tensors stored for one part of a model, by their names within it.

    Args:
        tensors: as stored, of any type and shape.
        prefix: stands before every name that is asked for.
        used: where the full names of those that were read are noted.
        dtype: what they are brought to.
    """

    def __init__(
        self,
        tensors: Mapping[str, Tensor],
        prefix: str = "",
        used: set[str] | None = None,
        dtype: torch.dtype = torch.float64,
    ) -> None:
        self.tensors, self.prefix, self.dtype = tensors, prefix, dtype
        self.used: set[str] = set() if used is None else used

    def under(self, prefix: str) -> Weights:
        """Returns the same tensors, asked for by what follows a prefix in their names; uses are noted here."""
        return Weights(self.tensors, self.prefix + prefix, self.used, self.dtype)

    def get(self, name: str) -> Tensor | None:
        """Returns a tensor, or None where the file holds none of that name."""
        name = self.prefix + name
        if name not in self.tensors:
            return None
        self.used.add(name)
        return self.tensors[name].to(self.dtype)

    def take(self, name: str) -> Tensor:
        """Returns a tensor.

        Raises:
            LackingError: if the file holds none of that name.
        """
        found = self.get(name)
        if found is None:
            raise LackingError(self.prefix + name)
        return found

    def unused(self) -> list[str]:
        """Returns the full names of the tensors that nothing has read."""
        return sorted(self.tensors.keys() - self.used)


def linear(weights: Weights, name: str, x: Float[Tensor, "*place inputs"]) -> Float[Tensor, "*place outputs"]:
    """Returns W x + b for a matrix stored [out, in], or as a convolution over one token; b where one is stored."""
    return _shifted(weights, name, x @ weights.take(f"{name}.weight").flatten(1).T)


def turned(weights: Weights, name: str, x: Float[Tensor, "*place inputs"]) -> Float[Tensor, "*place outputs"]:
    """Returns the same for a matrix stored [in, out], as GPT-2's releases have it."""
    return _shifted(weights, name, x @ weights.take(f"{name}.weight"))


def looked_up(weights: Weights, name: str, symbols: Tensor) -> Tensor:
    """Returns the rows of a stored table at symbols."""
    return torch.nn.functional.embedding(symbols, weights.take(f"{name}.weight"))


def split_heads(x: Float[Tensor, "*place width"], *heads: int) -> Tensor:
    """Returns the last axis in so many equal parts, or in parts of parts: [..., heads, size]."""
    return x.reshape(*x.shape[:-1], *heads, -1)


def _shifted(weights: Weights, name: str, product: Tensor) -> Tensor:
    bias = weights.get(f"{name}.bias")
    return product if bias is None else product + bias
