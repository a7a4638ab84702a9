"""The state update of RWKV-7, a generalised delta rule: one signature, several backends.

    y = wkv7(receptance, log_decay, key, value, removal, rate)

computes, for each attention head, S_t = S_{t-1} (diag(w_t) - removal_t^T (rate_t * removal_t)) + value_t^T key_t and
y_t = S_t receptance_t with w_t = exp(log_decay_t) and row vectors (Peng et al., 2025, "RWKV-7 Goose with Expressive
Dynamic State Evolution", arXiv:2503.14456, section 4.1). S_t is [value, key].
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from probe.kernels.backends import cpu_or, load

BACKENDS = {
    "reference": "the recurrence in plain torch, one time step after another",
    "cpu": "one fused pass over time, for float32 tensors on a CPU",
    "chunked": "sixteen tokens at once, by a triangular system; decays must not be much stronger than RWKV-7's",
}


def wkv7(
    receptance: Float[Tensor, "batch time heads size"],
    log_decay: Float[Tensor, "batch time heads size"],
    key: Float[Tensor, "batch time heads size"],
    value: Float[Tensor, "batch time heads size"],
    removal: Float[Tensor, "batch time heads size"],
    rate: Float[Tensor, "batch time heads size"],
    *,
    backend: str = "auto",
) -> Float[Tensor, "batch time heads size"]:
    """Runs the state over time from zero; differentiable in every tensor.

    Args:
        log_decay: the logarithm of the decay, in RWKV-7 from -exp(-1/2) to 0.
        removal: the direction whose stored value is removed, of length 1.
        rate: the share of it that is removed, from 0 to 1.
        backend: one of `BACKENDS`, or ``auto``: cpu where it can, else chunked.

    Raises:
        ProbeError: if the backend is unknown.
    """
    name = cpu_or("chunked", value) if backend == "auto" else backend
    return load("wkv7", BACKENDS, name, "kernel of WKV-7")(receptance, log_decay, key, value, removal, rate)
