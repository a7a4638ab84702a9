"""A first step that joins x and y of an example into one token, as theory has it, for layers that read such tokens."""

from __future__ import annotations

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from probe.errors import ProbeError
from probe.models.mixer import Mixer, Residual


class Joining(Mixer):
    """Puts (x, y) where y stood and (x, 0) where x stood; nothing in it is trained.

    x is what the stream holds at its token. y is what it holds at y's, rolled round by one place, so that it does not
    lie where the first coordinate of x does. With the read-in's first `dim` rows the identity, and a stream one wider
    than x, these are the tokens of von Oswald et al. (2023), arXiv:2212.07677, and Ahn et al. (2023), arXiv:2306.00297.

    Args:
        blocks: the model's number of blocks, on which nothing depends.
        slots: 0 joins and does no more. Otherwise every token takes the joined pairs before it along, so many at most,
            in slots beside its own: a prompt of its own, in which pairs can see those behind them. Only as much of the
            stream is read as a slot is wide.
    """

    title: ClassVar[str] = "joining of pairs"
    residual: ClassVar[Residual] = "none"
    recipe: ClassVar[str] = ""  # that of the blocks behind it

    def __init__(self, width: int, blocks: int, slots: int = 0) -> None:
        super().__init__()
        self.slots, self.size = slots, slot_size(width, slots)

    def forward(self, hidden: Float[Tensor, "batch time width"]) -> Float[Tensor, "batch time width"]:
        """Returns the joined tokens, with the pairs before each where there are slots."""
        joined = hidden[..., : self.size].clone()
        pairs = joined.shape[1] // 2
        joined[:, 1::2] = hidden[:, : 2 * pairs : 2, : self.size] + joined[:, 1::2].roll(-1, dims=-1)
        if not self.slots:
            return joined
        if pairs > self.slots:
            raise ProbeError(
                f"A prompt of {pairs} pairs was given, but the layout has slots={self.slots}. "
                "Ask for a shorter context or train with more slots."
            )
        before = torch.arange(pairs, device=hidden.device) < pairs_up_to(hidden)[:, None]
        taken = joined[:, None, 1::2] * before[..., None]
        taken = torch.nn.functional.pad(taken, (0, 0, 0, self.slots - pairs))
        return torch.cat([joined, taken.flatten(-2)], dim=-1)

    def flops(self, time: int) -> int:
        """Returns the forward floating-point operations for one sequence, one addition a number of a pair."""
        return time // 2 * self.size


def slot_size(width: int, slots: int) -> int:
    """Returns the width of a joined token in a stream that holds so many beside a token's own.

    Raises:
        ProbeError: if the stream cannot be split so.
    """
    if slots < 0 or width % (slots + 1):
        raise ProbeError(
            f"slots={slots} was given with a stream {width} wide, but the token's own and the slots' share it equally. "
            f"Give a --width that {slots + 1} divides."
            if slots >= 0
            else f"slots={slots} was given, but it needs 0 or more. Give another."
        )
    return width // (slots + 1)


def pairs_up_to(hidden: Float[Tensor, "batch time width"]) -> Tensor:
    """Returns the number of whole pairs up to every token, [time]."""
    return (torch.arange(hidden.shape[1], device=hidden.device) + 1) // 2
