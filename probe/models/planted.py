"""Blocks that compute a known algorithm and are not trained: a model of them is a control with a known answer.

A planted model reads pairs x1 y1 x2 y2 ... as they are: its read-in puts the token into the first `dim` coordinates of
the stream, its blocks write weights into the next `dim`, what these answer to the token into one more, and whatever
they only gather into the rest; its read-out is the answer.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from probe.errors import ProbeError
from probe.models.mixer import Mixer

Algorithm = Literal["gradient", "solve", "coordinate", "gather", "open_loop", "reveal"]
DECADES = 4
"""Of the penalties of the open loop, from the largest eigenvalue of X'X down."""


class Planted(Mixer):
    """Writes one step of an algorithm for least squares on the pairs before a token; nothing in it is trained.

    ``gradient`` takes a step of gradient descent of size 1 / L, L the largest eigenvalue of X'X (von Oswald et al.,
    2023, arXiv:2212.07677, as attention could); a stack of such blocks does improve an answer step by step. The others
    end at the same least squares by other ways: ``solve`` writes them whole in the middle block, ``coordinate`` one
    coordinate of the solution a block, ``gather`` sums X'X and X'y over the blocks and solves in the last one. Blocks
    with nothing to do for the answer write what no answer needs.

    Two improve the answer at every block and iterate nothing all the same. Of ``open_loop`` every block computes the
    step from one ridge solution to the next, less penalised one from the tokens, and reads nothing that a block before
    it wrote. Of ``reveal`` the first block runs all of gradient descent and hides the steps, each times a sign that
    depends on the token, and every block uncovers one.

    Args:
        blocks: the model's number of blocks.
        index: this block's place among them.
        algorithm: which one.
        dim: dimension of x.
    """

    title: ClassVar[str] = "planted least squares"

    def __init__(self, width: int, blocks: int, index: int, algorithm: Algorithm = "gradient", dim: int = 1) -> None:
        super().__init__()
        needed = planted_width(dim, algorithm, blocks)
        if width < needed:
            raise ProbeError(
                f"A planted block was given a stream {width} wide, but with dim={dim} it needs {needed}. "
                "Give a larger --width."
            )
        if algorithm == "coordinate" and blocks < dim:
            raise ProbeError(
                f"{blocks} planted blocks were given, but one a coordinate needs at least {dim}. Give more blocks."
            )
        self.blocks, self.index, self.algorithm, self.dim = blocks, index, algorithm, dim

    def forward(self, hidden: Float[Tensor, "batch time width"]) -> Float[Tensor, "batch time width"]:
        """Returns the mixer's output at every token."""
        stream = hidden.double()
        token = stream[..., : self.dim]
        gathered = torch.zeros_like(stream[..., : self.dim**2 + self.dim])
        hidden_steps = stream.new_zeros(*stream.shape[:2], _hidden(self.algorithm, self.blocks) * self.dim)
        if self.algorithm == "gather":
            change, gathered = self._gather(token, stream, gathered)
        elif self.algorithm == "reveal":
            change, hidden_steps = self._reveal(token, stream, hidden_steps)
        else:
            change = self._change(stream[..., self.dim : 2 * self.dim], *_moments(token))
        answer = (change * token).sum(-1, keepdim=True) * _asked(token)[:, None]
        needed = planted_width(self.dim, self.algorithm, self.blocks)
        idle = stream.new_zeros(*stream.shape[:2], stream.shape[-1] - needed)
        # a coordinate of its own that no answer needs
        spare = torch.tanh(token.sum(-1, keepdim=True) + self.index) * float(self.algorithm != "gradient")
        written = torch.cat([torch.zeros_like(token), change, answer, gathered, hidden_steps, idle, spare], dim=-1)
        result: Tensor = written.to(hidden.dtype)
        return result

    def _change(self, w: Tensor, hessian: Tensor, correlation: Tensor) -> Tensor:
        if self.algorithm == "gradient":
            largest: Tensor = torch.linalg.eigvalsh(hessian)[..., -1:].clamp(min=1e-12)
            return (correlation - _times(hessian, w)) / largest
        if self.algorithm == "open_loop":
            return self._ridge(hessian, correlation, self.index + 1) - self._ridge(hessian, correlation, self.index)
        first, last = (place * self.dim // self.blocks for place in (self.index, self.index + 1))
        if self.algorithm == "solve":
            first, last = (0, self.dim) if self.index == self.blocks // 2 else (0, 0)
        if first == last:
            return torch.zeros_like(w)
        mask = torch.zeros(self.dim, dtype=w.dtype, device=w.device)
        mask[first:last] = 1.0
        return _solution(hessian, correlation) * mask

    def _ridge(self, hessian: Tensor, correlation: Tensor, step: int) -> Tensor:
        """Returns the ridge solution after so many blocks: 0 before the first, least squares after the last."""
        if step in (0, self.blocks):
            return _solution(hessian, correlation) * float(step > 0)
        largest: Tensor = torch.linalg.eigvalsh(hessian)[..., -1, None, None].clamp(min=1e-12)
        penalty = largest * 10.0 ** (-DECADES * (step - 1) / max(1, self.blocks - 2))
        eye = torch.eye(self.dim, dtype=hessian.dtype, device=hessian.device)
        solution: Tensor = torch.linalg.solve(hessian + penalty * eye, correlation)
        return solution

    def _reveal(self, token: Tensor, stream: Tensor, nothing: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the step that the block uncovers, and what it hides: all steps, in the first block alone."""
        sign = torch.where(torch.sin(1e3 * token.sum(-1, keepdim=True)) < 0, -1.0, 1.0).to(stream)
        if self.index > 0:
            start = 2 * self.dim + 1 + self.dim**2 + self.dim + self.index * self.dim
            return sign * stream[..., start : start + self.dim], nothing
        hessian, correlation = _moments(token)
        largest: Tensor = torch.linalg.eigvalsh(hessian)[..., -1:].clamp(min=1e-12)
        w, steps = torch.zeros_like(token), []
        for _ in range(self.blocks):
            steps.append((correlation - _times(hessian, w)) / largest)
            w = w + steps[-1]
        return steps[0], sign * torch.cat(steps, dim=-1)

    def _gather(self, token: Tensor, stream: Tensor, nothing: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the block's additions to the weights and to the moments: the last solves, the others gather."""
        dim = self.dim
        start = 2 * dim + 1
        if self.index == self.blocks - 1:
            hessian = stream[..., start : start + dim * dim].reshape(*stream.shape[:2], dim, dim)
            correlation = stream[..., start + dim * dim : start + nothing.shape[-1]]
            return _solution(hessian, correlation, rounding=1e-6), nothing
        own = torch.arange(token.shape[1] // 2, device=token.device) % (self.blocks - 1) == self.index
        hessian, correlation = _moments(token, own)
        return torch.zeros_like(token), torch.cat([hessian.flatten(-2), correlation], dim=-1)

    def flops(self, time: int) -> int:
        """Returns the forward floating-point operations for one sequence, of sums and products with the moments."""
        return 2 * time * (self.dim**2 + 2 * self.dim)


def planted_width(dim: int, algorithm: Algorithm = "gradient", blocks: int = 1) -> int:
    """Returns the narrowest stream that so many planted blocks can work in."""
    return 2 * dim + 1 + dim * dim + dim + _hidden(algorithm, blocks) * dim + 1


def _hidden(algorithm: Algorithm, blocks: int) -> int:
    """Returns the number of steps that are hidden in the stream."""
    return blocks if algorithm == "reveal" else 0


def _asked(token: Float64[Tensor, "batch time dim"]) -> Float64[Tensor, " time"]:
    """Returns 1 at tokens x, where an answer is asked for, and 0 at tokens y."""
    place = torch.arange(token.shape[1], device=token.device)
    return (1 - place % 2).double()


def _moments(token: Tensor, own: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Returns X'X and X'y over the whole pairs up to every token; with `own`, over those pairs alone."""
    pairs = token.shape[1] // 2
    x, y = token[:, : 2 * pairs : 2], token[:, 1 : 2 * pairs : 2, :1]
    if own is not None:
        x = x * own[:, None]
    hessian = torch.einsum("bci,bcj->bcij", x, x).cumsum(1)
    correlation = (x * y).cumsum(1)
    seen = (torch.arange(token.shape[1], device=token.device) + 1) // 2
    return _after(hessian, seen), _after(correlation, seen)


def _after(sums: Tensor, seen: Tensor) -> Tensor:
    """Returns the running sums after so many pairs, zero after none."""
    return torch.cat([sums.new_zeros((len(sums), 1, *sums.shape[2:])), sums], dim=1)[:, seen]


def _times(matrix: Tensor, vector: Tensor) -> Tensor:
    return torch.einsum("...ij,...j->...i", matrix, vector)


def _solution(hessian: Tensor, correlation: Tensor, rounding: float = 1e-12) -> Tensor:
    """Returns the least-norm least squares; eigenvalues below the rounding of the moments count as zero."""
    return _times(torch.linalg.pinv(hessian, rtol=rounding, hermitian=True), correlation)
