"""Linear self-attention on joined tokens (x, y), of which theory says that it can take steps of gradient descent."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from probe.models.joined import pairs_up_to, slot_size
from probe.models.mixer import Mixer

LIMIT = 3.0
"""Of every number that a block adds. Prompts of usual size stay below; for the others, of which there is one in some
thousands, products of three would grow without bound from block to block."""
SPREAD = 0.02
"""Of the first weights."""


class JoinedAttention(Mixer):
    """Adds to every token z the sum, over the pairs p up to it, of P p (p' Q z): two matrices and nothing else.

    Ahn et al. (2023), arXiv:2306.00297, section 2, with their mask, by which the query is read by no token; von Oswald
    et al. (2023), arXiv:2212.07677, with key and query merged into Q, value and output into P. With Q = diag(1, 0) and
    P = diag(0, -rate), each block is a step of gradient descent at this rate on half the sum of the pairs' squared
    errors (Proposition 1 there): a pair's last coordinate holds the residual y - w.x, a query's -w.x. Nothing is
    divided by the number of pairs, of which there are more and fewer in one prompt. What is added is cut off at 3, as
    von Oswald et al. do at a limit (`clip` in transformers_learn_icl_by_gd/src/transformer.py of
    google-research/self-organising-systems).

    A first block J joins the pairs. Behind it, tokens y are the pairs, and every token reads those up to it: a causal
    mask, behind which a pair does not see later ones. With slots, each token has the pairs before it along, and these
    read one another: what there is no mask for in the papers.

    Args:
        blocks: the model's number of blocks, on which nothing depends.
        slots: as in the block that joined.
    """

    title: ClassVar[str] = "linear self-attention on joined pairs"
    model_norm: ClassVar[Literal["rms", "layer", "none"]] = "none"
    recipe: ClassVar[str] = "linear_self_attention"

    def __init__(self, width: int, blocks: int, slots: int = 0) -> None:
        super().__init__()
        self.slots, size = slots, slot_size(width, slots)
        self.q = nn.Linear(size, size, bias=False)
        self.p = nn.Linear(size, size, bias=False)
        nn.init.normal_(self.q.weight, std=SPREAD)
        nn.init.normal_(self.p.weight, std=SPREAD)

    def forward(self, hidden: Float[Tensor, "batch time width"]) -> Float[Tensor, "batch time width"]:
        """Returns what is added at every token."""
        seen = pairs_up_to(hidden)
        if self.slots:
            tokens = hidden.reshape(*hidden.shape[:-1], self.slots + 1, -1)
            pairs = tokens[..., 1:, :]
            own: Tensor = self.q(tokens) @ (pairs.mT @ self.p(pairs))
            return own.flatten(-2).clamp(-LIMIT, LIMIT)
        pairs = hidden[:, 1::2]
        scores = self.q(hidden) @ pairs.mT
        before = torch.arange(pairs.shape[1], device=hidden.device) < seen[:, None]
        read: Tensor = (scores * before) @ self.p(pairs)
        return read.clamp(-LIMIT, LIMIT)

    def flops(self, time: int) -> int:
        """Returns the forward floating-point operations for one sequence, of products alone."""
        size, pairs = len(self.q.weight), time // 2
        if self.slots:
            return time * 4 * size**2 * (2 * self.slots + 1)
        return 2 * size**2 * (time + pairs) + 4 * size * sum((place + 1) // 2 for place in range(time))
