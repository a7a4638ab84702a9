"""The WKV operation of RWKV-4: one signature, several backends.

    y = wkv4(key, value, decay, first)

computes, for each channel, the mean of the values so far under weights that fall with age: exp(k_t + first) for the
value of the token itself, exp(k_i - (t - 1 - i) exp(decay)) for an earlier one (Peng et al., 2023,
"RWKV: Reinventing RNNs for the Transformer Era", arXiv:2305.13048, eq. 16).
"""

from __future__ import annotations

from importlib.util import find_spec

import torch
from jaxtyping import Float
from torch import Tensor

from probe.kernels.backends import load

BACKENDS = {
    "reference": "the stable recurrence in plain torch, one time step after another",
    "cpu": "fused numba kernel, float32 on the CPU",
    "triton": "fused Triton kernel, on a GPU",
    "parallel": "all of time at once, by one matrix a channel; the recurrence where keys are too large for it",
}
# the matrices hold time² numbers a channel
LONGEST_PARALLEL = 257


def wkv4(
    key: Float[Tensor, "batch time channels"],
    value: Float[Tensor, "batch time channels"],
    decay: Float[Tensor, " channels"],
    first: Float[Tensor, " channels"],
    *,
    backend: str = "auto",
) -> Float[Tensor, "batch time channels"]:
    """Runs the operation over time; differentiable in every tensor.

    Args:
        decay: the logarithm of how much a weight's logarithm falls a token.
        first: what is added to the key of the token itself.
        backend: one of `BACKENDS`, or ``auto`` (see `choose`).

    Raises:
        ProbeError: if the backend is unknown, not installed, or cannot run on these tensors.
    """
    name = choose(key.device.type, key.dtype, key.shape[1]) if backend == "auto" else backend
    return load("wkv4", BACKENDS, name, "kernel of WKV")(key, value, decay, first)


def choose(device: str, dtype: torch.dtype, time: int) -> str:
    """Returns the fastest backend for a device type, a dtype and a length of sequence, among those installed."""
    if device == "cpu" and dtype == torch.float32:
        return "cpu"
    if device == "cuda" and dtype != torch.float64 and find_spec("triton") is not None:
        return "triton"
    return "parallel" if time <= LONGEST_PARALLEL else "reference"
