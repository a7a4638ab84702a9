"""How a model is built, as far as records and checks need to know it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import nn

from probe.capture.hooks import StreamModel


@dataclass(frozen=True)
class Anatomy:
    """A model's blocks, what it reads and predicts, and what it takes to reach each layer.

    Args:
        layout: the blocks as layout text, or the family's own name for them.
        letters: what kind of block each one is, [blocks].
        residuals: how each block meets the stream: ``pre``, ``post``, ``none`` or ``parallel``, [blocks].
        inputs: coordinates of a token; 0 where tokens are symbols.
        outputs: numbers predicted at every token.
        symbols: size of the vocabulary; 0 where tokens are vectors.
        longest: the most tokens a prompt may have; 0 where nothing limits them.
        parameters: the parameters used up to each layer, without the decoder, [blocks + 1].
    """

    layout: str
    letters: tuple[str, ...]
    residuals: tuple[str, ...]
    inputs: int
    outputs: int
    symbols: int
    longest: int
    parameters: tuple[int, ...]


@runtime_checkable
class DescribedModel(StreamModel, Protocol):
    """A model as every command sees it: its stream, and what it is."""

    @property
    def model(self) -> nn.Module:
        """The module that runs."""

    @property
    def anatomy(self) -> Anatomy:
        """How it is built."""

    def flops(self, time: int) -> list[int]:
        """Returns the forward floating-point operations for one sequence up to each layer, [blocks + 1]."""

    def use_kernel(self, backend: str) -> None:
        """Makes the model run on the named backend, where it has kernels to choose from."""
