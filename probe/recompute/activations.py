"""The activations, by the names that configurations give them."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from probe.recompute.weights import ImpossibleError


def gelu(x: Tensor) -> Tensor:
    """Returns x Phi(x) (Hendrycks and Gimpel, 2016, arXiv:1606.08415)."""
    return x * (1 + torch.erf(x / math.sqrt(2))) / 2


def gelu_tanh(x: Tensor) -> Tensor:
    """Returns its approximation by a tanh, section 2 there, which GPT-2 uses."""
    return x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2


def silu(x: Tensor) -> Tensor:
    """Returns x sigmoid(x)."""
    return x * torch.sigmoid(x)


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": gelu,
    "gelu_fast": gelu_tanh,
    "gelu_new": gelu_tanh,
    "gelu_pytorch_tanh": gelu_tanh,
    "relu": torch.relu,
    "silu": silu,
    "swish": silu,
}


def activation(name: str) -> Callable[[Tensor], Tensor]:
    """Returns the activation of a name.

    Raises:
        ImpossibleError: if it is none of these.
    """
    if name not in ACTIVATIONS:
        raise ImpossibleError(f"the activation {name}")
    return ACTIVATIONS[name]
