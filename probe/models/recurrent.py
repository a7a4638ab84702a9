"""Recurrent layers as baselines: the LSTM and the ReLU RNN of torch, as wide as the stream.

One layer a block, with torch's names and initialisation, which does not depend on the number of blocks.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from probe.models.mixer import Mixer, Residual


class LSTM(Mixer):
    """Mixes tokens by long short-term memory (Hochreiter and Schmidhuber, 1997), as `torch.nn.LSTM` has it."""

    title: ClassVar[str] = "LSTM"
    residual: ClassVar[Residual] = "none"
    recipe: ClassVar[str] = "lstm"

    def __init__(self, width: int, blocks: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(width, width, batch_first=True)

    def forward(self, hidden: Float[Tensor, "batch time width"]) -> Float[Tensor, "batch time width"]:
        """Returns the hidden state after every token."""
        # the state is handed on from token to token: in full precision, also where products are taken in half
        with torch.autocast(hidden.device.type, enabled=False):
            result: Tensor = self.lstm(hidden.to(_matrices(self.lstm)[0].dtype))[0]
        return result

    def start(self, batch: int) -> tuple[Tensor, ...]:
        """Returns the state before the first token: the hidden state and the cell, zeros."""
        state = _matrices(self.lstm)[0].new_zeros(1, batch, self.lstm.hidden_size)
        return state, state.clone()

    def step(
        self, hidden: Float[Tensor, "batch width"], state: tuple[Tensor, ...]
    ) -> tuple[Float[Tensor, "batch width"], tuple[Tensor, ...]]:
        """Returns the hidden state after one token, and hidden state and cell."""
        output, after = self.lstm(hidden.unsqueeze(1), state)
        return output.squeeze(1), after

    def flops(self, time: int) -> int:
        """Returns the forward floating-point operations for one sequence (a multiply-add is two)."""
        # beside the four gates' matrices: the cell's product and multiply-add, and the output's product
        return time * (2 * _weights(self.lstm) + 4 * self.lstm.hidden_size)


class RNN(Mixer):
    """Mixes tokens by h_t = relu(W x_t + U h_{t-1} + b), as `torch.nn.RNN` has it."""

    title: ClassVar[str] = "ReLU RNN"
    residual: ClassVar[Residual] = "none"
    recipe: ClassVar[str] = "rnn"

    def __init__(self, width: int, blocks: int) -> None:
        super().__init__()
        self.rnn = nn.RNN(width, width, nonlinearity="relu", batch_first=True)

    def forward(self, hidden: Float[Tensor, "batch time width"]) -> Float[Tensor, "batch time width"]:
        """Returns the hidden state after every token."""
        # the state is handed on from token to token: in full precision, also where products are taken in half
        with torch.autocast(hidden.device.type, enabled=False):
            result: Tensor = self.rnn(hidden.to(_matrices(self.rnn)[0].dtype))[0]
        return result

    def start(self, batch: int) -> tuple[Tensor, ...]:
        """Returns the hidden state before the first token: zeros."""
        return (_matrices(self.rnn)[0].new_zeros(1, batch, self.rnn.hidden_size),)

    def step(
        self, hidden: Float[Tensor, "batch width"], state: tuple[Tensor, ...]
    ) -> tuple[Float[Tensor, "batch width"], tuple[Tensor, ...]]:
        """Returns the hidden state after one token, as the output and as the state."""
        output, after = self.rnn(hidden.unsqueeze(1), *state)
        return output.squeeze(1), (after,)

    def flops(self, time: int) -> int:
        """Returns the forward floating-point operations for one sequence (a multiply-add is two)."""
        return 2 * time * _weights(self.rnn)


def _matrices(layer: nn.RNNBase) -> list[Tensor]:
    """Returns the layer's matrices, which a block that is applied again has from its first time."""
    return [layer.weight_ih_l0, layer.weight_hh_l0]  # type: ignore[list-item]


def _weights(layer: nn.RNNBase) -> int:
    return sum(matrix.numel() for matrix in _matrices(layer))
