"""The diagonal state space of S4D, shared by the mixers that are built around it."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from probe.errors import ProbeError
from probe.kernels.diagonal_convolution import diagonal_convolution
from probe.kernels.diagonal_convolution.reference import advance, zero_order_hold


class DiagonalStateSpace(nn.Module):
    """Filters every channel by a state space of its own, the same at every token (Gu et al., 2022, arXiv:2206.11893).

    S4D-Lin: the modes start at A_n = -1/2 + i pi n (table 1), step sizes log-uniform in [1e-3, 1e-1], C from the
    standard complex normal distribution; all are trained. The skip D starts from N(0, 1) as in the released code.

    Args:
        channels: the number of independent filters.
        states: the real state size, twice the number of complex modes.
    """

    STEP_RANGE = (1e-3, 1e-1)

    def __init__(self, channels: int, states: int) -> None:
        super().__init__()
        if states < 2 or states % 2:
            raise ProbeError(
                f"A state of {states} numbers was given, but complex modes need an even number, 2 or more. "
                "Write states=16."
            )
        modes = states // 2
        low, high = map(math.log, self.STEP_RANGE)
        self.backend = "auto"
        self.log_dt = nn.Parameter(low + torch.rand(channels) * (high - low))
        self.C = nn.Parameter(torch.view_as_real(torch.randn(channels, modes, dtype=torch.complex64)))
        self.log_A_real = nn.Parameter(torch.full((channels, modes), math.log(0.5)))
        self.A_imag = nn.Parameter(math.pi * torch.arange(modes).repeat(channels, 1))
        self.D = nn.Parameter(torch.randn(channels))

    def forward(self, hidden: Float[Tensor, "batch time channels"]) -> Float[Tensor, "batch time channels"]:
        """Returns every channel after its filter, with the skip."""
        return diagonal_convolution(hidden, *self._parameters_of_the_kernel(), backend=self.backend)

    def _parameters_of_the_kernel(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        A = torch.complex(-torch.exp(self.log_A_real), self.A_imag)
        return torch.exp(self.log_dt), A, torch.view_as_complex(self.C), self.D

    def start(self, batch: int) -> tuple[Tensor, ...]:
        """Returns the state before the first token: zeros, the modes' real and imaginary parts on the last axis."""
        return (self.C.new_zeros(batch, *self.C.shape),)

    def step(
        self, hidden: Float[Tensor, "batch channels"], state: tuple[Tensor, ...]
    ) -> tuple[Float[Tensor, "batch channels"], tuple[Tensor, ...]]:
        """Returns one token's output and the state after it."""
        step, A, C, D = self._parameters_of_the_kernel()
        modes, output = advance(torch.view_as_complex(state[0]), hidden, *zero_order_hold(step, A), C, D)
        return output, (torch.view_as_real(modes),)

    def flops(self, time: int) -> int:
        """Returns the forward floating-point operations for one sequence in the recurrent form.

        A token takes, for each mode, a complex product and a complex sum with the drive (6 + 2), the drive (2), and
        the real part of C h (4), and a multiply-add for the skip; making the kernel, once a batch, is not counted.
        """
        return time * (14 * self.log_A_real.numel() + 2 * self.D.numel())
