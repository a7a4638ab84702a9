"""Blocks that compute a known algorithm and are not trained: a model of them is a control with a known answer.

A planted model reads pairs x1 y1 x2 y2 ... as they are: its read-in puts the token into the first `dim` coordinates of
the stream, its blocks write weights into the next `dim`, what these answer to the token into one more, and whatever
they only gather into the rest; its read-out is the answer.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from probe.errors import ProbeError
from probe.models.mixer import Mixer
from probe.models.planted.scatter import drawn, scattered
from probe.models.planted.way import Seen
from probe.models.planted.ways import WAYS, Algorithm

ROTATION = 40_000
"""Of the numbers that a rotation is made of; those below are the algorithms'."""


class Planted(Mixer):
    """Writes one block of an algorithm for least squares on the pairs before a token; nothing in it is trained.

    Each algorithm is described in its own file. Blocks with nothing to do for the answer write what no answer needs.

    Args:
        blocks: the model's number of blocks.
        index: this block's place among them.
        algorithm: which one.
        dim: dimension of x.
        noise: the standard deviation of what is added to every weight that a block writes, from 0; it follows from the
            token and the block.
        seed: of the noise and of whatever else an algorithm draws, from 0.
        basis: 0 for the stream as described, otherwise the seed of a rotation by which all of it is turned.
    """

    title: ClassVar[str] = "planted least squares"

    def __init__(
        self,
        width: int,
        blocks: int,
        index: int,
        algorithm: Algorithm = "gradient",
        dim: int = 1,
        noise: float = 0.0,
        seed: int = 0,
        basis: int = 0,
    ) -> None:
        super().__init__()
        needed = planted_width(dim, algorithm, blocks)
        if width < needed:
            raise ProbeError(
                f"A planted block was given a stream {width} wide, but with dim={dim} it needs {needed}. "
                "Give a larger --width."
            )
        fewest = WAYS[algorithm].fewest_blocks(dim)
        if blocks < fewest:
            raise ProbeError(
                f"{blocks} planted blocks were given, but {algorithm} needs at least {fewest}. Give more blocks."
            )
        if noise < 0:
            raise ProbeError(f"A planted block was given noise={noise:g}, but it needs 0 or more. Give another.")
        self.way = WAYS[algorithm](dim, blocks, index, seed)
        self.dim, self.noise, self.needed = dim, noise, needed
        self.turn = rotation(width, basis) if basis else None

    def forward(self, hidden: Float[Tensor, "batch time width"]) -> Float[Tensor, "batch time width"]:
        """Returns the mixer's output at every token."""
        stream, dim, way = hidden.double(), self.dim, self.way
        if self.turn is not None:
            stream = stream @ self.turn.to(stream).mT
        token = stream[..., :dim]
        seen = Seen(
            token,
            stream[..., dim : 2 * dim],
            stream[..., 2 * dim : 2 * dim + 1],
            stream[..., 2 * dim + 1 : self.needed - 1],
        )
        change = way.change(seen)
        memory = way.memory(seen, change)
        if self.noise:
            change = change + self.noise * scattered(token, dim, way.seed, way.index)
        answer = way.answer(seen, change) * _asked(token)[:, None]
        idle = stream.new_zeros(*stream.shape[:2], stream.shape[-1] - self.needed)
        spare = torch.tanh(token.sum(-1, keepdim=True) + way.index) * float(way.idle_writes)
        written = torch.cat([torch.zeros_like(token), change, answer, memory, idle, spare], dim=-1)
        if self.turn is not None:
            written = written @ self.turn.to(written)
        result: Tensor = written.to(hidden.dtype)
        return result

    def flops(self, time: int) -> int:
        """Returns the forward floating-point operations for one sequence, of sums and products with the moments."""
        return 2 * time * (self.dim**2 + 2 * self.dim)


def planted_width(dim: int, algorithm: Algorithm = "gradient", blocks: int = 1) -> int:
    """Returns the narrowest stream that so many planted blocks can work in."""
    return 2 * dim + 1 + dim * dim + dim + WAYS[algorithm].more_memory(dim, blocks) + 1


def rotation(width: int, basis: int) -> Float64[Tensor, "width width"]:
    """Returns what turns a stream as described, a row, into one of another basis: the same for the same number."""
    turned: Tensor = torch.linalg.qr(drawn(basis, ROTATION, width, width)).Q
    return turned


def _asked(token: Float64[Tensor, "batch time dim"]) -> Float64[Tensor, " time"]:
    """Returns 1 at tokens x, where an answer is asked for, and 0 at tokens y."""
    place = torch.arange(token.shape[1], device=token.device)
    return (1 - place % 2).double()
