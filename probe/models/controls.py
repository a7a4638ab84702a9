"""Whole models of planted blocks, whose answers and intermediate results are known."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import nn

from probe.config import ModelConfig
from probe.models.fast_weights import FastWeights
from probe.models.planted import Algorithm, planted_width
from probe.models.residual import ResidualModel

Rule = Literal["linear_attention", "delta_rule"]
RATE = 0.1


def planted_model(algorithm: Algorithm, dim: int, blocks: int, width: int | None = None) -> ResidualModel:
    """Returns a model of planted blocks, whose read-in and read-out only copy.

    Args:
        width: of the stream; by default the narrowest that will do. What is left over stays 0.
    """
    config = ModelConfig(
        layout=f"P[algorithm={algorithm},dim={dim}]{blocks}",
        dim=dim,
        width=width or planted_width(dim, algorithm, blocks),
        norm="none",
    )
    with torch.random.fork_rng(devices=[]):
        model = ResidualModel(config)
    assert isinstance(model.read_in, nn.Linear)
    with torch.no_grad():
        for linear in (model.read_in, model.read_out):
            nn.init.zeros_(linear.weight)
            nn.init.zeros_(linear.bias)
        model.read_in.weight[:dim] = torch.eye(dim)
        model.read_out.weight[0, 2 * dim] = 1.0
    return model.eval().requires_grad_(False)


def planted_state_model(rule: Rule, dim: int, rate: float = RATE) -> ResidualModel:
    """Returns a model of two blocks, of which the second holds a known algorithm's weights as its state.

    Its first block brings each example's x beside its y, and its second is our own linear attention or DeltaNet with
    keys x and values y. By linear attention, the first row of its state is ``rate`` times X'y, one step of gradient
    descent on all examples; by the delta rule, the weights of one pass of w <- w + rate (y - w.x) x. Tokens lie in the
    first `dim` coordinates of the stream, paired x in the next, a one and the answer in the last two.

    Args:
        rate: the step size, between 0 and 1.
    """
    letter, settings = ("L" if rule == "linear_attention" else "E"), "heads=1,conv=off,feature=none,norm=off"
    config = ModelConfig(layout=f"Q[dim={dim}]{letter}[{settings}]", dim=dim, width=2 * dim + 2, norm="none")
    with torch.random.fork_rng(devices=[]):
        model = ResidualModel(config)
    assert isinstance(model.read_in, nn.Linear)
    mixer = model.blocks[1].get_submodule("mixer")
    assert isinstance(mixer, FastWeights)
    one, answer = 2 * dim, 2 * dim + 1
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    with torch.no_grad():
        model.read_in.weight[:dim] = mixer.q_proj.weight[:dim, :dim] = torch.eye(dim)
        model.read_in.bias[one] = 1.0
        mixer.k_proj.weight[:dim, dim:one] = torch.eye(dim)
        mixer.v_proj.weight[0, 0] = 1.0 if rule == "delta_rule" else rate
        mixer.o_proj.weight[answer, 0] = model.read_out.weight[0, answer] = 1.0
        if rule == "delta_rule":
            # the step is a sigmoid of what this gives
            mixer.get_parameter("b_proj.weight")[0, one] = math.log(rate / (1 - rate))
    return model.eval().requires_grad_(False)
