"""The activation GELU itself: one signature, several backends.

    y = exact_gelu(x) = x Phi(x), with Phi the distribution function of the standard normal distribution

(Hendrycks and Gimpel, 2016, "Gaussian Error Linear Units", arXiv:1606.08415, section 2).
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from probe.kernels.backends import cpu_or, load

BACKENDS = {
    "reference": "the written-out formula, any device and dtype",
    "cpu": "one fused pass, for float32 tensors on a CPU",
    "torch": "torch's own, any device and dtype",
}


def exact_gelu(x: Float[Tensor, "*place"], *, backend: str = "auto") -> Float[Tensor, "*place"]:
    """Returns the activation of every number; differentiable.

    Args:
        backend: one of `BACKENDS`, or ``auto``: cpu where it can, else torch.

    Raises:
        ProbeError: if the backend is unknown, or cannot run on this tensor.
    """
    name = cpu_or("torch", x) if backend == "auto" else backend
    return load("exact_gelu", BACKENDS, name, "kernel of the exact GELU", takes_half=name != "cpu")(x)
