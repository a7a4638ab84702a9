"""What the check draws for an operation: sequences of any length, and constants such as decay rates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

Operands = Mapping[str, Tensor]
"""The operands by name, in the order of the operation's arguments; one that is left out is not there."""
Normal = Callable[..., Tensor]


@dataclass(frozen=True)
class Operation:
    """An operation, with the operands that are drawn for it.

    Args:
        draw: operands in double precision, for so many tokens.
        constants: the operands that are no sequences: parameters, which stay float32 where activations are bfloat16.
        time: the dimension of the sequences and of the output along which time runs; prompts are the first.
        optional: the operands that may be left out together.
    """

    draw: Callable[[Normal, int], dict[str, Tensor]]
    constants: tuple[str, ...] = ()
    time: int = 1
    optional: tuple[tuple[str, ...], ...] = ()

    def drawn(self, tokens: int, seed: int = 0) -> Operands:
        """Returns operands of numbers that bfloat16 has, in double precision, so that every dtype sees the same."""
        generator = torch.Generator().manual_seed(seed)
        found = self.draw(lambda *shape: torch.randn(shape, generator=generator, dtype=torch.float64), tokens)
        return {name: _rounded(tensor) for name, tensor in found.items()}

    def typed(self, operands: Operands, dtype: torch.dtype, device: str) -> Operands:
        """Returns operands as a model of a dtype has them, on a device."""
        single = torch.float32 if dtype == torch.bfloat16 else dtype
        return {
            name: tensor.to(device, _complex(single) if tensor.is_complex() else self._dtype(name, dtype, single))
            for name, tensor in operands.items()
        }

    def part(self, operands: Operands, first: int, last: int) -> Operands:
        """Returns the operands of the tokens from one to before another."""
        return {
            name: tensor if name in self.constants else tensor.narrow(self.time, first, last - first)
            for name, tensor in operands.items()
        }

    def prompt(self, operands: Operands, number: int) -> Operands:
        """Returns the operands of one prompt of the batch."""
        return {
            name: tensor if name in self.constants else tensor[number : number + 1] for name, tensor in operands.items()
        }

    def tokens(self, operands: Operands) -> int:
        """Returns the length of the sequences."""
        return next(tensor.shape[self.time] for name, tensor in operands.items() if name not in self.constants)

    def _dtype(self, name: str, dtype: torch.dtype, single: torch.dtype) -> torch.dtype:
        return single if name in self.constants else dtype


def _complex(dtype: torch.dtype) -> torch.dtype:
    return torch.complex128 if dtype == torch.float64 else torch.complex64


def _rounded(tensor: Tensor) -> Tensor:
    if tensor.is_complex():
        return torch.complex(_rounded(tensor.real), _rounded(tensor.imag))
    return tensor.to(torch.bfloat16).to(torch.float64)
