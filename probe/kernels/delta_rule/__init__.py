"""Fast weights: linear attention, the delta rule and the gated delta rule as one operation, with several backends.

    o = delta_rule(query, key, value, beta, log_decay)

computes, for each attention head, from S_0 = 0,

    S_t = alpha_t S_{t-1} (I - beta_t k_t k_t^T) + beta_t v_t k_t^T        o_t = S_t q_t

the gated delta rule (Yang, Kautz and Hatamizadeh, 2024, arXiv:2412.06464, section 3.1), alpha = exp(log_decay).
Without a decay, alpha = 1, it is the delta rule (Schlag et al., 2021, arXiv:2102.11174; Yang et al., 2024,
arXiv:2406.06484). Without a beta nothing is erased and values are written whole, S_t = alpha_t S_{t-1} + v_t k_t^T:
unnormalised linear attention (Katharopoulos et al., 2020, arXiv:2006.16236), or retention where it decays.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from probe.kernels.backends import cpu_or, load

BACKENDS = {
    "reference": "plain torch, one time step after another",
    "cpu": "one fused pass over time, for float32 tensors on a CPU",
    "chunked": "matrix products within chunks of the sequence, a loop over chunks; any device and dtype",
}
# with keys and values of 128 numbers, delta rules are as fast or faster by products within chunks
WIDEST_FUSED = 64


def delta_rule(
    query: Float[Tensor, "batch head time key"],
    key: Float[Tensor, "batch head time key"],
    value: Float[Tensor, "batch head time value"],
    beta: Float[Tensor, "batch head time"] | None = None,
    log_decay: Float[Tensor, "batch head time"] | None = None,
    *,
    backend: str = "auto",
) -> Float[Tensor, "batch head time value"]:
    """Runs the operation and returns o; differentiable in every tensor.

    Args:
        key: of norm 1 where there is a beta, for else the state may grow without bound.
        beta: how much of the value under the key is replaced, in 0..1 (up to 2 is stable); without it linear attention.
        log_decay: the logarithm of alpha, at most 0; without it nothing is forgotten.
        backend: one of `BACKENDS`, or ``auto``: cpu where it can, with a beta up to 64 numbers a key, else chunked.

    Raises:
        ProbeError: if the backend is unknown.
    """
    small = beta is None or key.shape[-1] <= WIDEST_FUSED
    name = (cpu_or("chunked", value) if small else "chunked") if backend == "auto" else backend
    return load("delta_rule", BACKENDS, name, "kernel of the delta rule")(query, key, value, beta, log_decay)
