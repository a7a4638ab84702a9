"""The time-invariant diagonal state space as a causal convolution: one signature, several backends.

    y = diagonal_convolution(u, step, A, C, D)

computes, for each channel and complex mode, h_t = A_bar h_{t-1} + B_bar u_t and y_t = 2 Re sum(C h_t) + D u_t, with
A_bar = exp(step A) and B_bar = (A_bar - 1) / A (Gu et al., 2022, "On the Parameterization and Initialization of
Diagonal State Space Models", arXiv:2206.11893, section 3: zero-order hold, B = 1, conjugate pairs as one mode).
"""

from __future__ import annotations

from jaxtyping import Complex, Float
from torch import Tensor

from probe.kernels.backends import cpu_or, load

BACKENDS = {
    "reference": "the recurrence in plain torch, one time step after another",
    "cpu": "the convolution, fused, for short sequences in float32 on a CPU, causal to the last bit",
    "toeplitz": "the convolution by one matrix a channel, for short sequences, causal to the last bit",
    "fft": "the convolution by fast Fourier transforms, for long sequences, causal within rounding",
}
# up to 128 examples and a query both are faster than transforms, and the matrices small, 257² numbers a channel
LONGEST_TOEPLITZ = 257


def diagonal_convolution(
    u: Float[Tensor, "batch time channels"],
    step: Float[Tensor, " channels"],
    A: Complex[Tensor, "channels modes"],
    C: Complex[Tensor, "channels modes"],
    D: Float[Tensor, " channels"],
    *,
    backend: str = "auto",
) -> Float[Tensor, "batch time channels"]:
    """Runs the state space over time and returns y; differentiable in every tensor.

    Args:
        step: the step sizes, positive.
        A: the continuous modes, one of each conjugate pair, with negative real parts.
        backend: one of `BACKENDS`, or ``auto``: up to 257 tokens ``cpu`` where it can, else ``toeplitz``; then ``fft``.

    Raises:
        ProbeError: if the backend is unknown, or cannot run on these tensors.
    """
    short = cpu_or("toeplitz", u) if u.shape[1] <= LONGEST_TOEPLITZ else "fft"
    name = short if backend == "auto" else backend
    return load("diagonal_convolution", BACKENDS, name, "kernel of the diagonal convolution")(u, step, A, C, D)
