"""The operations that are checked, with the numbers that are drawn for them: small, of the sizes of a model."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from probe.kernels.checks.operation import Normal, Operation

BATCH, HEADS, SIZE, STATES, CHANNELS = 2, 3, 8, 5, 24

Drawn = dict[str, Tensor]


def _convolution(normal: Normal, time: int) -> Drawn:
    return {"x": normal(BATCH, time, CHANNELS), "weight": normal(CHANNELS, 4), "bias": normal(CHANNELS)}


def _scan(normal: Normal, time: int) -> Drawn:
    shape = (BATCH, time, CHANNELS)
    return {
        "u": normal(*shape),
        "delta": normal(*shape),
        "A": -normal(CHANNELS, STATES).exp(),
        "B": normal(BATCH, time, STATES),
        "C": normal(BATCH, time, STATES),
        "D": normal(CHANNELS),
        "z": normal(*shape),
        "delta_bias": normal(CHANNELS),
    }


def _ssd(normal: Normal, time: int) -> Drawn:
    return {
        "x": normal(BATCH, time, HEADS, SIZE),
        "step": normal(BATCH, time, HEADS).exp() / 4,
        "A": -normal(HEADS).exp(),
        "B": normal(BATCH, time, STATES),
        "C": normal(BATCH, time, STATES),
        "D": normal(HEADS),
    }


def _delta_rule(normal: Normal, time: int) -> Drawn:
    shape = (BATCH, HEADS, time)
    return {
        "query": normal(*shape, SIZE),
        "key": F.normalize(normal(*shape, SIZE), dim=-1),
        "value": normal(*shape, STATES),
        "beta": torch.sigmoid(normal(*shape)),
        "log_decay": -torch.sigmoid(normal(*shape)),
    }


def _state_space(normal: Normal, time: int) -> Drawn:
    shape = (CHANNELS, STATES)
    return {
        "u": normal(BATCH, time, CHANNELS),
        "step": 0.1 * normal(CHANNELS).exp(),
        "A": torch.complex(-normal(*shape).exp(), 3 * normal(*shape)),
        "C": torch.complex(normal(*shape), normal(*shape)),
        "D": normal(CHANNELS),
    }


def _wkv4(normal: Normal, time: int) -> Drawn:
    shape = (BATCH, time, CHANNELS)
    return {"key": 2 * normal(*shape), "value": normal(*shape), "decay": normal(CHANNELS), "first": normal(CHANNELS)}


def _wkv7(normal: Normal, time: int) -> Drawn:
    shape = (BATCH, time, HEADS, SIZE)
    return {
        "receptance": normal(*shape),
        "log_decay": -math.exp(-0.5) * torch.sigmoid(2 * normal(*shape)),
        "key": normal(*shape),
        "value": normal(*shape),
        "removal": F.normalize(normal(*shape), dim=-1),
        "rate": torch.sigmoid(2 * normal(*shape)),
    }


def _attention(normal: Normal, time: int) -> Drawn:
    return {"packed": normal(BATCH, time, 3, 1, 16)}


def _gelu(normal: Normal, time: int) -> Drawn:
    return {"x": 3 * normal(BATCH, time, CHANNELS)}


def _norm(normal: Normal, time: int) -> Drawn:
    return {"x": 3 * normal(BATCH, time, CHANNELS), "weight": normal(CHANNELS)}


OPERATIONS: dict[str, Operation] = {
    "causal_conv1d": Operation(_convolution, ("weight", "bias")),
    "selective_scan": Operation(_scan, ("A", "D", "delta_bias"), optional=(("z",), ("z", "delta_bias"))),
    "ssd": Operation(_ssd, ("A", "D")),
    "delta_rule": Operation(_delta_rule, time=2, optional=(("beta",), ("log_decay",), ("beta", "log_decay"))),
    "diagonal_convolution": Operation(_state_space, ("step", "A", "C", "D")),
    "wkv4": Operation(_wkv4, ("decay", "first")),
    "wkv7": Operation(_wkv7),
    "causal_attention": Operation(_attention),
    "gelu": Operation(_gelu),
    "rms_norm": Operation(_norm, ("weight",)),
}
"""Every operation by the name of its folder."""
