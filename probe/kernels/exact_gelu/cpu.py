"""GELU on CPUs, fused: see `probe.kernels.gelu.cpu`, whose passes compute both forms."""

from __future__ import annotations

from torch import Tensor

from probe.kernels.gelu.cpu import fused


def exact_gelu(x: Tensor) -> Tensor:
    """Returns the activation; see `probe.kernels.exact_gelu`.

    Raises:
        ProbeError: for a tensor that is not float32 on the CPU.
    """
    return fused(x, exact=True)
