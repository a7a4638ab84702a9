"""The WKV operation in plain torch, one time step after another, safe for keys of any size.

Peng et al. (2023), arXiv:2305.13048, eq. 16 and appendix D: numerator and denominator are kept divided by the
exponential of the largest exponent so far.
"""

from __future__ import annotations

import torch
from torch import Tensor

# an exponent below any other, yet finite, so that differences of two are
LOWEST = -1e38


def wkv4(key: Tensor, value: Tensor, decay: Tensor, first: Tensor) -> Tensor:
    """Runs the recurrence; see `probe.kernels.wkv4` for the arguments. Any device, float32 or float64."""
    state = start(key[:, 0])
    outputs = []
    for key_t, value_t in zip(key.unbind(1), value.unbind(1), strict=True):
        output, state = advance(state, key_t, value_t, decay, first)
        outputs.append(output)
    return torch.stack(outputs, dim=1)


def start(like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Returns the state before the first token: numerator, denominator and largest exponent."""
    return torch.zeros_like(like), torch.zeros_like(like), torch.full_like(like, LOWEST)


def advance(
    state: tuple[Tensor, Tensor, Tensor], key: Tensor, value: Tensor, decay: Tensor, first: Tensor
) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
    """Returns one token's output, [batch, channels], and the state after it."""
    top = state[2]
    numerator, denominator, _ = _add(state, top, key + first, value)
    return numerator / denominator, _add(state, top - torch.exp(decay), key, value)


def _add(
    state: tuple[Tensor, Tensor, Tensor], exponent: Tensor, key: Tensor, value: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Returns the sums with the state's scaled by exp(exponent) and one more value of weight exp(key)."""
    numerator, denominator, _ = state
    # results do not depend on what both sums are divided by, so no gradient flows through it
    top = torch.maximum(exponent, key).detach()
    before, now = torch.exp(exponent - top), torch.exp(key - top)
    return before * numerator + now * value, before * denominator + now, top
