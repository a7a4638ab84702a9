"""Mamba's mixer (Gu and Dao, 2023, arXiv:2312.00752, section 3.4 and algorithm 2), and its ablations here."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from probe.kernels.selective_scan.reference import selective_scan
from probe.recompute.activations import silu
from probe.recompute.convolution import convolved
from probe.recompute.norms import normed
from probe.recompute.weights import Weights, linear


def mamba(
    weights: Weights, x: Float[Tensor, "batch time width"], settings: Mapping[str, str], epsilon: float | None = None
) -> Float[Tensor, "batch time width"]:
    """Returns the mixer's output.

    Args:
        settings: delta, B and C may be ``constant``, conv and gate ``off``; what is not given is as in the paper.
        epsilon: that of the norms without weights that Falcon-Mamba puts behind step size, B and C; None without.
    """
    projected = linear(weights, "in_proj", x)
    u, z = projected.chunk(2, -1) if settings.get("gate", "on") == "on" else (projected, None)
    u = convolved(weights, "conv1d", u) if settings.get("conv", "on") == "on" else silu(u)
    step, bias, b, c = _selected(weights, u, settings, epsilon)
    y = selective_scan(u, step, -torch.exp(weights.take("A_log")), b, c, weights.take("D"), z, bias)
    return linear(weights, "out_proj", y)


def _selected(
    weights: Weights, u: Tensor, settings: Mapping[str, str], epsilon: float | None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Returns the step size before its bias, the bias, B and C."""
    states = weights.take("A_log").shape[1]
    chosen = [name for name in ("delta", "B", "C") if settings.get(name, "selective") == "selective"]
    sizes = {"delta": weights.take("dt_proj.weight").shape[1] if "delta" in chosen else 0, "B": states, "C": states}
    parts = dict.fromkeys(chosen, u)
    if chosen:
        split = torch.split(linear(weights, "x_proj", u), [sizes[name] for name in chosen], -1)
        parts = dict(zip(chosen, split if epsilon is None else [normed(x, epsilon) for x in split], strict=True))
    b, c = (parts[name] if name in parts else weights.take(name).expand(*u.shape[:-1], states) for name in ("B", "C"))
    if "delta" not in parts:
        return torch.zeros_like(u), weights.take("dt_bias"), b, c
    return parts["delta"] @ weights.take("dt_proj.weight").T, weights.take("dt_proj.bias"), b, c
