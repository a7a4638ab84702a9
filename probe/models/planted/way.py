"""What one block of a planted algorithm reads and writes; every algorithm is a subclass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float64
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Seen:
    """The parts of the stream that a planted block may read.

    Attributes:
        token: x or y, as it was read in.
        w: the running weights, at every token those that follow from the pairs before it.
        answer: what the stream answers so far.
        memory: whatever the algorithm keeps; the first dim² + dim coordinates are there for all.
    """

    token: Float64[Tensor, "batch time dim"]
    w: Float64[Tensor, "batch time dim"]
    answer: Float64[Tensor, "batch time 1"]
    memory: Float64[Tensor, "batch time memory"]


@dataclass(frozen=True)
class Way:
    """One block of an algorithm for least squares.

    Attributes:
        dim: dimension of x.
        blocks: the model's number of blocks.
        index: this block's place among them.
        seed: of what is drawn once and fixed.
    """

    dim: int
    blocks: int
    index: int
    seed: int = 0

    idle_writes: ClassVar[bool] = True
    """Whether every block writes a coordinate of its own that no answer needs."""

    @classmethod
    def more_memory(cls, dim: int, blocks: int) -> int:
        """Returns the width of the memory beyond the dim² + dim that are there for all."""
        return 0

    @classmethod
    def fewest_blocks(cls, dim: int) -> int:
        """Returns the fewest blocks that the algorithm needs."""
        return 1

    @property
    def last(self) -> bool:
        """Whether no block follows."""
        return self.index == self.blocks - 1

    def change(self, seen: Seen) -> Float64[Tensor, "batch time dim"]:
        """Returns what is added to the running weights."""
        raise NotImplementedError

    def answer(self, seen: Seen, change: Float64[Tensor, "batch time dim"]) -> Float64[Tensor, "batch time 1"]:
        """Returns what is added to the answer, at tokens x; by default what the change answers."""
        return answered(change, seen.token)

    def memory(self, seen: Seen, change: Float64[Tensor, "batch time dim"]) -> Float64[Tensor, "batch time memory"]:
        """Returns what is added to the memory; by default nothing."""
        return torch.zeros_like(seen.memory)

    def beyond(self, seen: Seen) -> Float64[Tensor, "batch time more"]:
        """Returns the memory beyond what is there for all."""
        return seen.memory[..., self.dim**2 + self.dim :]

    def kept(self, seen: Seen, value: Float64[Tensor, "batch time more"]) -> Float64[Tensor, "batch time memory"]:
        """Returns what is added to the memory so that it holds a value beyond what is there for all."""
        added = torch.zeros_like(seen.memory)
        added[..., self.dim**2 + self.dim :] = value - self.beyond(seen)
        return added


def answered(w: Float64[Tensor, "batch time dim"], token: Float64[Tensor, "batch time dim"]) -> Tensor:
    """Returns what weights answer to the token they stand at, [batch, time, 1]."""
    return (w * token).sum(-1, keepdim=True)
