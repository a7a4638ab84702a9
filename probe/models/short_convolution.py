"""The short causal convolution with SiLU before a recurrence, and its replacement where it is switched off."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from probe.kernels.causal_conv1d import causal_conv1d
from probe.kernels.causal_conv1d.step import causal_conv1d_step


class ShortConvolution(nn.Conv1d):
    """Mixes each channel over a few tokens, then applies SiLU (Gu and Dao, 2023, arXiv:2312.00752, figure 3).

    Weights lie and start as in `torch.nn.Conv1d`, which the official packages use too.
    """

    def __init__(self, channels: int, taps: int, bias: bool) -> None:
        super().__init__(channels, channels, taps, groups=channels, padding=taps - 1, bias=bias)
        self.taps = taps

    def forward(
        self, x: Float[Tensor, "batch time channels"], backend: str = "auto"
    ) -> Float[Tensor, "batch time channels"]:
        """Returns the sequence after convolution and SiLU."""
        return causal_conv1d(x, self.weight.squeeze(1), self._bias(), backend=backend)

    def alone(
        self, x: Float[Tensor, "*place channels"], before: Float[Tensor, " channels"]
    ) -> Float[Tensor, "*place channels"]:
        """Returns every token after convolution and SiLU as if all tokens before it were the given one."""
        weight = self.weight.squeeze(1)
        return F.silu(self._bias() + weight[:, -1] * x + weight[:, :-1].sum(1) * before)

    def start(self, batch: int, like: Tensor) -> Float[Tensor, "batch past channels"]:
        """Returns the past of the first token, zeros, with the dtype and on the device of another tensor."""
        return like.new_zeros(batch, self.taps - 1, self.in_channels)

    def step(
        self, x: Float[Tensor, "batch channels"], recent: Float[Tensor, "batch past channels"]
    ) -> tuple[Float[Tensor, "batch channels"], Float[Tensor, "batch past channels"]]:
        """Returns one token after convolution and SiLU, and the past of the next one."""
        return causal_conv1d_step(x, recent, self.weight.squeeze(1), self._bias())

    def flops(self, time: int) -> int:
        """Returns the forward floating-point operations for one sequence (a multiply-add is two)."""
        return 2 * time * self.weight.numel()

    def _bias(self) -> Tensor:
        return self.weight.new_zeros(self.in_channels) if self.bias is None else self.bias


class NoConvolution(nn.Module):
    """Maps every token by itself: a short convolution switched off, its SiLU kept unless that is switched off too."""

    def __init__(self, channels: int, silu: bool = True) -> None:
        super().__init__()
        self.channels, self.silu = channels, silu

    def forward(self, x: Float[Tensor, "*place channels"], backend: str = "auto") -> Float[Tensor, "*place channels"]:
        """Returns the tokens after SiLU; there is nothing that a backend could do."""
        return F.silu(x) if self.silu else x

    def start(self, batch: int, like: Tensor) -> Float[Tensor, "batch past channels"]:
        """Returns a past of no tokens, with the dtype and on the device of another tensor."""
        return like.new_zeros(batch, 0, self.channels)

    def step(
        self, x: Float[Tensor, "batch channels"], recent: Float[Tensor, "batch past channels"]
    ) -> tuple[Float[Tensor, "batch channels"], Float[Tensor, "batch past channels"]]:
        """Returns one token after SiLU, and a past of no tokens."""
        return self(x), recent

    def flops(self, time: int) -> int:
        """Returns 0: activations are not counted."""
        return 0
