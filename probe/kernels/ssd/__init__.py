"""The state space of Mamba-2, one decay rate a head, with several backends.

    y = ssd(x, step, A, B, C, D)

computes, for each head, S_t = exp(step_t A) S_{t-1} + step_t x_t B_t^T from S_0 = 0 and y_t = S_t C_t + D x_t, the
scalar-identity structured state space (Dao and Gu, 2024, arXiv:2405.21060, sections 2 and 7), with B and C shared by
all heads.
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


def ssd(
    x: Float[Tensor, "batch time head size"],
    step: Float[Tensor, "batch time head"],
    A: Float[Tensor, " head"],
    B: Float[Tensor, "batch time state"],
    C: Float[Tensor, "batch time state"],
    D: Float[Tensor, " head"],
    *,
    backend: str = "auto",
) -> Float[Tensor, "batch time head size"]:
    """Runs the state space and returns y; differentiable in every tensor.

    Args:
        x: what enters the state space, after the short convolution.
        step: the step size after bias and softplus, so not negative.
        A: the decay rates, negative.
        backend: one of `BACKENDS`, or ``auto``: cpu where it can, else chunked.

    Raises:
        ProbeError: if the backend is unknown.
    """
    name = cpu_or("chunked", x) if backend == "auto" else backend
    return load("ssd", BACKENDS, name, "kernel of Mamba-2")(x, step, A, B, C, D)
