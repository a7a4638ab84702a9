"""The recurrent layers of torch, step by step: the ReLU RNN and the LSTM (Hochreiter and Schmidhuber, 1997)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from probe.recompute.weights import Weights


def relu_rnn(weights: Weights, x: Float[Tensor, "batch time width"]) -> Float[Tensor, "batch time width"]:
    """Returns h_t = relu(W x_t + U h_{t-1} + b)."""
    fed, again = _fed(weights, x)
    state, states = torch.zeros_like(x[:, 0]), []
    for row in fed.unbind(1):
        state = torch.relu(row + state @ again)
        states.append(state)
    return torch.stack(states, 1)


def lstm(weights: Weights, x: Float[Tensor, "batch time width"]) -> Float[Tensor, "batch time width"]:
    """Returns the hidden states; gates stand in torch's order: input, forget, cell, output."""
    fed, again = _fed(weights, x)
    state, cell, states = torch.zeros_like(x[:, 0]), torch.zeros_like(x[:, 0]), []
    for row in fed.unbind(1):
        write, keep, new, read = (row + state @ again).chunk(4, -1)
        cell = torch.sigmoid(keep) * cell + torch.sigmoid(write) * torch.tanh(new)
        state = torch.sigmoid(read) * torch.tanh(cell)
        states.append(state)
    return torch.stack(states, 1)


def _fed(weights: Weights, x: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the tokens' part of the state with both biases, and the recurrent matrix."""
    bias = weights.take("bias_ih_l0") + weights.take("bias_hh_l0")
    return x @ weights.take("weight_ih_l0").T + bias, weights.take("weight_hh_l0").T
