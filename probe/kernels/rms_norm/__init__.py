"""The norm by the root of the mean square: one signature, several backends.

    y = weight x / sqrt(mean(x^2) + eps)

over the last axis (Zhang and Sennrich, 2019, "Root Mean Square Layer Normalization", arXiv:1910.07467, equation 4).
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from probe.kernels.backends import cpu_or, load

BACKENDS = {
    "reference": "the written-out formula, any device and dtype",
    "cpu": "one fused pass, for float32 tensors on a CPU",
    "torch": "torch's own, any device and dtype",
}


def rms_norm(
    x: Float[Tensor, "*place width"], weight: Float[Tensor, " width"], eps: float = 1e-5, *, backend: str = "auto"
) -> Float[Tensor, "*place width"]:
    """Returns every row over the root of its mean square, times the weight; differentiable in both.

    Args:
        eps: added to the mean square.
        backend: one of `BACKENDS`, or ``auto``: cpu where it can, else torch.

    Raises:
        ProbeError: if the backend is unknown, or cannot run on these tensors.
    """
    name = cpu_or("torch", x) if backend == "auto" else backend
    return load("rms_norm", BACKENDS, name, "kernel of the norm", takes_half=name != "cpu")(x, weight, eps)


def unit_norm(x: Float[Tensor, "*place width"], eps: float) -> Float[Tensor, "*place width"]:
    """Returns every row over the root of its sum of squares and of eps, which is `rms_norm` with one weight for all."""
    width = x.shape[-1]
    return rms_norm(x, x.new_full((width,), width**-0.5), eps / width)


class RMSNorm(nn.RMSNorm):
    """torch's module, with the same parameters, computed by `rms_norm`.

    Args:
        width: of the rows.
        eps: added to the mean square.
    """

    def __init__(self, width: int, eps: float) -> None:
        super().__init__(width, eps=eps)

    def forward(self, x: Float[Tensor, "*place width"]) -> Float[Tensor, "*place width"]:
        """Returns every row over the root of its mean square, times the weight."""
        return rms_norm(x, self.weight, float(self.eps or 0.0))
