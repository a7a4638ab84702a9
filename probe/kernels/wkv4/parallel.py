"""The WKV operation over all of time at once: two causal filters and a quotient.

Peng et al. (2023), arXiv:2305.13048, eq. 16: the weights' fall with age is the same at every token, so that numerator
and denominator are exp(k) v and exp(k) filtered by (exp(first), 1, exp(-w), exp(-2 w), ...) with w = exp(decay).
"""

from __future__ import annotations

import torch
from torch import Tensor

from probe.kernels.causal_filter import causal_filter
from probe.kernels.wkv4 import reference

# exp() of twice this neither overflows nor vanishes; keys are not shifted by their largest, since that would let
# rounding depend on later tokens
LARGEST = {torch.float32: 30.0, torch.float64: 300.0}


def wkv4(key: Tensor, value: Tensor, decay: Tensor, first: Tensor) -> Tensor:
    """Runs the filters; see `probe.kernels.wkv4` for the arguments. Any device, float32 or float64.

    Runs the recurrence instead where a key, with or without `first`, is beyond what exponentials of the dtype hold.
    """
    if not (key.detach().abs().amax() + first.detach().abs().amax() <= LARGEST.get(key.dtype, 0.0)):
        return reference.wkv4(key, value, decay, first)
    weight = torch.exp(key)
    filtered = causal_filter(_response(key.shape[1], decay, first), torch.cat([weight * value, weight]))
    numerator, denominator = filtered.chunk(2)
    return numerator / denominator


def _response(time: int, decay: Tensor, first: Tensor) -> Tensor:
    """Returns the weight of a key of 0 by age, [channels, time]."""
    ages = torch.arange(time - 1, device=decay.device, dtype=decay.dtype)
    return torch.cat([torch.exp(first)[:, None], torch.exp(-torch.exp(decay)[:, None] * ages)], dim=1)
