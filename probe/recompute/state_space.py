"""S4D and S4-Mamba (Gu et al., 2022, arXiv:2206.11893; Park et al., 2024, arXiv:2402.04248)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from probe.kernels.diagonal_convolution.reference import diagonal_convolution
from probe.recompute.activations import gelu, silu
from probe.recompute.convolution import convolved
from probe.recompute.weights import Weights, linear


def s4d(
    weights: Weights,
    x: Float[Tensor, "batch time width"],
    skip: str = "kernel.D",
    mixing: str = "output_linear",
) -> Float[Tensor, "batch time width"]:
    """Returns the mixer's output: every channel filtered, a GELU, and a gated linear map over channels.

    Args:
        skip: the name of the skip D.
        mixing: the name of the map.
    """
    rows, gate = linear(weights, mixing, gelu(_filtered(weights, x, "kernel.", skip))).chunk(2, -1)
    return rows * torch.sigmoid(gate)


def s4_mamba(
    weights: Weights,
    x: Float[Tensor, "batch time width"],
    settings: Mapping[str, str],
    kernel: str = "kernel.",
    skip: str = "kernel.D",
) -> Float[Tensor, "batch time width"]:
    """Returns the mixer's output: Mamba's with S4D in the place of the selective scan.

    Args:
        settings: the gate, ``silu`` unless it is ``linear``.
        kernel: what stands before the names of the state space.
        skip: the name of the skip D.
    """
    u, z = linear(weights, "in_proj", x).chunk(2, -1)
    y = _filtered(weights, convolved(weights, "conv1d", u), kernel, skip)
    return linear(weights, "out_proj", y * (silu(z) if settings.get("gate", "silu") == "silu" else z))


def _filtered(weights: Weights, u: Tensor, kernel: str, skip: str) -> Tensor:
    space = weights.under(kernel)
    rates = torch.complex(-torch.exp(space.take("log_A_real")), space.take("A_imag"))
    modes = torch.view_as_complex(space.take("C").contiguous())
    return diagonal_convolution(u, torch.exp(space.take("log_dt")), rates, modes, weights.take(skip))
