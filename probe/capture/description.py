"""The description of a model that records and checks need: its blocks, its sizes, its parameters."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import nn

from probe.capture.hooks import StreamModel


@dataclass(frozen=True)
class ModelDescription:
    """The blocks of a model, the sizes of its inputs and outputs, and the parameters used up to each layer.

    Args:
        layout: the blocks as layout text, or the family's own name for them.
        letters: the kind of each block, [blocks].
        residuals: how each block treats the stream: ``pre``, ``post``, ``none`` or ``parallel``, [blocks].
        inputs: coordinates of a token; 0 where tokens are symbols.
        outputs: numbers predicted at every token.
        symbols: size of the vocabulary; 0 where tokens are vectors.
        longest: the largest number of tokens of a prompt; 0 if there is no limit.
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
    """The protocol of a model that every command takes: its stream and its description."""

    @property
    def model(self) -> nn.Module:
        """The module that runs."""

    @property
    def description(self) -> ModelDescription:
        """The blocks, sizes and parameters of the model."""

    def flops(self, time: int) -> list[int]:
        """Returns the forward floating-point operations for one sequence up to each layer, [blocks + 1]."""

    def use_kernel(self, backend: str) -> None:
        """Makes the model run on the named backend, where it has kernels to choose from."""


class OldNames:
    """Attributes of models by their former names, for one version."""

    description: ModelDescription

    @property
    def anatomy(self) -> ModelDescription:
        """The attribute ``description``, by its former name."""
        warnings.warn("anatomy is called description now, and goes with the next version.", DeprecationWarning, 2)
        return self.description
