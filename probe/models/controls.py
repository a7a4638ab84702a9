"""Whole models of planted blocks, whose answers and whose way to them are known."""

from __future__ import annotations

import torch
from torch import nn

from probe.config import ModelConfig
from probe.models.planted import Algorithm, planted_width
from probe.models.residual import ResidualModel


def planted_model(algorithm: Algorithm, dim: int, blocks: int, width: int | None = None) -> ResidualModel:
    """Returns a model of planted blocks, whose read-in and read-out take part in nothing but copying.

    Args:
        width: of the stream; by default the narrowest that will do. What is left over stays 0.
    """
    config = ModelConfig(
        layout=f"P[algorithm={algorithm},dim={dim}]{blocks}", dim=dim, width=width or planted_width(dim), norm="none"
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
