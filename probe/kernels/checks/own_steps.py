"""Our operations one token at a time, from the state before it: what decodes a model token by token."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from probe.kernels.causal_conv1d.step import causal_conv1d_step
from probe.kernels.checks.implementation import Carry, State
from probe.kernels.checks.operation import Operands
from probe.kernels.delta_rule.reference import delta_rule_step
from probe.kernels.diagonal_convolution import reference as diagonal
from probe.kernels.gelu.reference import gelu
from probe.kernels.rms_norm.reference import rms_norm
from probe.kernels.selective_scan.reference import selective_scan_step
from probe.kernels.ssd.reference import ssd_step
from probe.kernels.wkv4 import reference as wkv4
from probe.kernels.wkv7 import reference as wkv7


def _convolution(given: Operands, state: State) -> tuple[Tensor, State]:
    x = given["x"][:, 0]
    recent = x.new_zeros(len(x), given["weight"].shape[1] - 1, x.shape[1]) if state is None else state
    output, state = causal_conv1d_step(x, recent, given["weight"], given["bias"])
    return output.unsqueeze(1), state


def _scan(given: Operands, state: State) -> tuple[Tensor, State]:
    u, delta = given["u"][:, 0], given["delta"][:, 0]
    step = F.softplus(delta + given["delta_bias"])
    h = u.new_zeros(len(u), *given["A"].shape) if state is None else state
    y, h = selective_scan_step(u, step, given["A"], given["B"][:, 0], given["C"][:, 0], given["D"], h)
    return (y * F.silu(given["z"][:, 0])).unsqueeze(1), h


def _ssd(given: Operands, state: State) -> tuple[Tensor, State]:
    x, b = given["x"][:, 0], given["B"][:, 0]
    before = x.new_zeros(*x.shape, b.shape[-1]) if state is None else state
    y, state = ssd_step(x, given["step"][:, 0], given["A"], b, given["C"][:, 0], given["D"], before)
    return y.unsqueeze(1), state


def _delta_rule(given: Operands, state: State) -> tuple[Tensor, State]:
    query, key, value, beta, log_decay = (given[name][:, :, 0] for name in given)
    before = key.new_zeros(*key.shape[:2], value.shape[-1], key.shape[-1]) if state is None else state
    output, state = delta_rule_step(query, key, value, beta, log_decay, before)
    return output.unsqueeze(2), state


def _diagonal(given: Operands, state: State) -> tuple[Tensor, State]:
    u, A = given["u"][:, 0], given["A"]
    before = A.new_zeros(len(u), *A.shape) if state is None else state
    held = diagonal.zero_order_hold(given["step"], A)
    state, y = diagonal.advance(before, u, *held, given["C"], given["D"])
    return y.unsqueeze(1), state


def _wkv4(given: Operands, state: State) -> tuple[Tensor, State]:
    key, value = given["key"][:, 0], given["value"][:, 0]
    before = wkv4.start(key) if state is None else state
    output, state = wkv4.advance(before, key, value, given["decay"], given["first"])
    return output.unsqueeze(1), state


def _wkv7(given: Operands, state: State) -> tuple[Tensor, State]:
    tokens = [tensor[:, 0] for tensor in given.values()]
    batch, heads, size = tokens[0].shape
    before = tokens[0].new_zeros(batch, heads, size, size) if state is None else state
    output, state = wkv7.advance(before, *tokens)
    return output.unsqueeze(1), state


def _attention(given: Operands, state: State) -> tuple[Tensor, State]:
    packed = given["packed"] if state is None else torch.cat([state, given["packed"]], dim=1)
    query, key, value = packed[:, -1:, 0], packed[:, :, 1], packed[:, :, 2]
    weights = (torch.einsum("bqhd,bshd->bhqs", query, key) / math.sqrt(key.shape[-1])).softmax(-1)
    return torch.einsum("bhqs,bshd->bqhd", weights, value), packed


def _gelu(given: Operands, state: State) -> tuple[Tensor, State]:
    return gelu(given["x"]), state


def _rms_norm(given: Operands, state: State) -> tuple[Tensor, State]:
    return rms_norm(given["x"], given["weight"]), state


def _in_float32(step: Carry) -> Carry:
    def run(given: Operands, state: State) -> tuple[Tensor, State]:
        return step({name: _float(tensor) for name, tensor in given.items()}, state)

    return run


def _float(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.dtype == torch.bfloat16 else tensor


STEPS: dict[str, Carry] = {
    "causal_conv1d": _in_float32(_convolution),
    "selective_scan": _in_float32(_scan),
    "ssd": _in_float32(_ssd),
    "delta_rule": _in_float32(_delta_rule),
    "diagonal_convolution": _in_float32(_diagonal),
    "wkv4": _in_float32(_wkv4),
    "wkv7": _in_float32(_wkv7),
    "causal_attention": _in_float32(_attention),
    "gelu": _in_float32(_gelu),
    "rms_norm": _in_float32(_rms_norm),
}
"""By operation; states are float32 where activations are bfloat16, as in whole sequences."""
