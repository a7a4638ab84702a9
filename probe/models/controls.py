"""Whole models of planted blocks, whose answers and intermediate results are known."""

from __future__ import annotations

import math
from typing import Literal, cast

import torch
from torch import nn

from probe.config import ModelConfig
from probe.errors import ProbeError, suggest
from probe.models.fast_weights import FastWeights
from probe.models.layout import parse_layout
from probe.models.planted import KNOWN, Algorithm, planted_width
from probe.models.planted.block import rotation
from probe.models.residual import ResidualModel

Rule = Literal["linear_attention", "delta_rule"]
RATE = 0.1


def planted_model(
    algorithm: Algorithm, dim: int, blocks: int, width: int | None = None, noise: float = 0.0, seed: int = 0
) -> ResidualModel:
    """Returns a model of planted blocks, whose read-in and read-out only copy.

    Args:
        width: of the stream; by default the narrowest that will do. What is left over stays 0.
        noise: the standard deviation of what every block adds to the weights that it writes, from 0.
        seed: of the noise and of whatever else the algorithm draws, from 0.
    """
    settings = f"algorithm={algorithm},dim={dim}"
    # what was built without them is written without them
    settings += f",noise={noise:g}" if noise else ""
    settings += f",seed={seed}" if seed else ""
    return model_of(f"P[{settings}]{blocks}", width)


def known_model(name: str, width: int | None = None) -> ResidualModel:
    """Returns a model whose answer is known, by its name in `probe.models.planted.KNOWN`.

    Raises:
        ProbeError: if there is none of this name.
    """
    if name not in KNOWN:
        raise ProbeError(
            f"No known model is called {name[:60]!r}. {suggest(name[:60], list(KNOWN))}All stand in "
            "probe.models.planted.KNOWN."
        )
    return model_of(KNOWN[name].layout, width)


def model_of(layout: str, width: int | None = None) -> ResidualModel:
    """Returns a model of the planted blocks that a layout names, all of one dimension.

    Raises:
        ProbeError: if a block is not planted, or a setting or the width does not fit.
    """
    letters = parse_layout(layout)
    if {one.letter for one in letters} != {"P"}:
        raise ProbeError(f"The layout {layout!r} was given, but a planted model has P blocks alone. Write P[dim=5]10.")
    settings = [dict(one.settings) for one in letters]
    dim = int(settings[0].get("dim", 1))
    bases = {int(one.get("basis", 0)) for one in settings}
    if len(bases) > 1:
        given = " and ".join(f"basis={one}" for one in sorted(bases))
        raise ProbeError(f"Blocks with {given} were given, but a planted model has one basis. Give all the same.")
    basis = bases.pop()
    used = [cast("Algorithm", one.get("algorithm", "gradient")) for one in settings]
    narrowest = max(planted_width(dim, one, len(letters)) for one in used)
    config = ModelConfig(layout=layout, dim=dim, width=width or narrowest, norm="none")
    with torch.random.fork_rng(devices=[]):
        model = ResidualModel(config)
    assert isinstance(model.read_in, nn.Linear)
    with torch.no_grad():
        for linear in (model.read_in, model.read_out):
            nn.init.zeros_(linear.weight)
            nn.init.zeros_(linear.bias)
        model.read_in.weight[:dim] = torch.eye(dim)
        # what every block turns round stands with the other sign after an odd number of them
        turned = used[-1] == "alternating" and len(letters) % 2
        model.read_out.weight[0, 2 * dim] = -1.0 if turned else 1.0
        if basis:
            turn = rotation(config.width, basis).float()
            model.read_in.weight.copy_(turn.mT @ model.read_in.weight)
            model.read_out.weight.copy_(model.read_out.weight @ turn)
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
