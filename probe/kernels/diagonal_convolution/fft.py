"""The diagonal state space as one convolution over all of time, by fast Fourier transforms.

Gu et al. (2022), arXiv:2206.11893, section 3.1: y = K * u + D u with K_l = 2 Re sum(C B_bar A_bar^l).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from probe.kernels.diagonal_convolution.reference import zero_order_hold


def diagonal_convolution(u: Tensor, step: Tensor, A: Tensor, C: Tensor, D: Tensor) -> Tensor:
    """Runs the convolution; see `probe.kernels.diagonal_convolution` for the arguments. Any device."""
    time = u.shape[1]
    # a cyclic convolution of two sequences padded to their full length is the causal one
    length = _fast_length(2 * time - 1)
    spectrum = torch.fft.rfft(u, length, dim=1) * torch.fft.rfft(kernel(time, step, A, C), length, dim=0)
    filtered: Tensor = torch.fft.irfft(spectrum, length, dim=1)[:, :time]
    return filtered + D * u


def kernel(time: int, step: Tensor, A: Tensor, C: Tensor) -> Tensor:
    """Returns the impulse response without the skip, [time, channels].

    With lags l = q R + r the powers A_bar^l are A_bar^{q R} A_bar^r, so that the sum over modes is one matrix product a
    channel, of about the square root of the powers that stand in it.
    """
    spaced = math.isqrt(max(time - 1, 0)) + 1
    exponent = step.unsqueeze(-1) * A
    fine = torch.arange(spaced, device=A.device, dtype=step.dtype)
    coarse = spaced * torch.arange(-(-time // spaced), device=A.device, dtype=step.dtype)
    B_bar = zero_order_hold(step, A)[1]
    left = (C * B_bar).unsqueeze(1) * _exp(exponent.unsqueeze(1) * coarse.unsqueeze(-1))
    right = _exp(exponent.unsqueeze(-1) * fine)
    # the real part of a complex product is a real product twice as wide
    real: Tensor = torch.cat([left.real, -left.imag], dim=2) @ torch.cat([right.real, right.imag], dim=1)
    return 2 * real.flatten(1)[:, :time].T


def _exp(exponent: Tensor) -> Tensor:
    """Returns the exponential of complex numbers, in a seventh of the time of torch.exp, which takes one by one."""
    return torch.polar(torch.exp(exponent.real), exponent.imag)


def _fast_length(least: int) -> int:
    """Returns the smallest 2^n or 3 * 2^n of at least this length."""
    power = 1 << (least - 1).bit_length()
    return power * 3 // 4 if least <= power * 3 // 4 else power
