"""Feed-forward blocks: two maps with an activation between, and the gated kind."""

from __future__ import annotations

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor

from probe.recompute.activations import gelu_tanh
from probe.recompute.weights import Weights, linear, turned

Activation = Callable[[Tensor], Tensor]


def feed_forward(
    weights: Weights,
    x: Float[Tensor, "batch time width"],
    act: Activation = gelu_tanh,
    names: tuple[str, str] = ("c_fc", "c_proj"),
    turn: bool = False,
) -> Float[Tensor, "batch time width"]:
    """Returns the output of the feed-forward (Vaswani et al., 2017, section 3.3).

    Args:
        names: of the map that widens and of the one back.
        turn: whether matrices are stored [in, out].
    """
    mapped = turned if turn else linear
    return mapped(weights, names[1], act(mapped(weights, names[0], x)))


def gated_feed_forward(
    weights: Weights, x: Float[Tensor, "batch time width"], act: Activation
) -> Float[Tensor, "batch time width"]:
    """Returns the output of LLaMA's feed-forward (Shazeer, 2020, arXiv:2002.05202)."""
    gate = act(linear(weights, "gate_proj", x))
    return linear(weights, "down_proj", gate * linear(weights, "up_proj", x))
