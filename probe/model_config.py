"""What a model is built from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from probe.fields import Range, Size, check

Init = Literal["own", "torch"]
Dropout = Annotated[float, Range(0, 0.99)]
Heads = Annotated[int, Range(1, 2**12)]


@dataclass(frozen=True)
class ModelConfig:
    """What a model is built from; stands in every checkpoint."""

    layout: str
    """Blocks as text, e.g. M24 or (AF)12."""
    dim: Annotated[int, Range(0, 2**20)]
    """Dimension of the inputs x."""
    width: Size
    """Width of the residual stream."""
    outputs: Size = 1
    """Dimension of the predictions."""
    norm: Literal["rms", "layer", "none"] = "rms"
    """RMSNorm, LayerNorm or none, before every block and at the end."""
    positions: Literal["none", "learned", "sinusoidal"] = "none"
    """Learned absolute positions, fixed sinusoidal ones, or none."""
    slots: Annotated[int, Range(0, 2**24)] = 0
    """Number of learned positions, in tokens."""
    attention_heads: Heads = 8
    """Attention heads of every attention block."""
    symbols: Annotated[int, Range(0, 2**24)] = 0
    """Size of the vocabulary, where tokens are symbols; 0 where they are vectors."""
    dropout: Dropout = 0.0
    """Dropout of every mixer that has one, in training."""
    init: Init = "own"
    """First weights of attention, feed-forward blocks and learned positions: GPT-2's, or torch's defaults."""

    def __post_init__(self) -> None:
        check(self, lambda name: f"The model's {name}")
