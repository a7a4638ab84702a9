"""Folders of the package mamba_ssm: Mamba, Mamba-2, attention and feed-forwards by the settings of its config.json."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from probe.recompute.activations import silu
from probe.recompute.attention import attend
from probe.recompute.mamba import mamba
from probe.recompute.mamba2 import mamba2
from probe.recompute.norms import Norm, layer_norm, rms_norm
from probe.recompute.part import Described, Part, beginning, below, count
from probe.recompute.rotary import Rotation, rotated
from probe.recompute.weights import ImpossibleError, LackingError, Weights, linear, looked_up, split_heads

EMBEDDING = "backbone.embedding"
FINAL = "backbone.norm_f"
LAYERS = "backbone.layers"
USUAL = {"rmsnorm": True, "norm_before_gate": False, "D_has_hdim": False, "d_ssm": None}
"""What Mamba-2's settings must be for the equations that are written here."""
Config = Mapping[str, Any]


def describe(config: Config, weights: Mapping[str, Tensor]) -> Described:
    """Returns a folder's parts; what a block's mixer is follows from what is stored for it."""
    norm = rms_norm if config.get("rms_norm", True) else layer_norm
    blocks = []
    for place in range(count(weights, LAYERS)):
        own = below(weights, f"{LAYERS}.{place}.")
        blocks.append(Part(_kind(own), own, partial(_block, config, norm)))
    return Described(
        Part("read-in", beginning(weights, f"{EMBEDDING}."), lambda own, tokens: looked_up(own, EMBEDDING, tokens)),
        tuple(blocks),
        Part(
            "read-out",
            beginning(weights, f"{FINAL}.", f"{EMBEDDING}.", "lm_head."),
            partial(_read_out, norm, bool(config.get("tie_embeddings", True))),
        ),
        lambda own, stream: norm(own, FINAL, stream),
    )


def _kind(own: Mapping[str, Tensor]) -> str:
    rates = own.get("mixer.A_log")
    mixer = "attention" if rates is None else "Mamba" if rates.ndim == 2 else "Mamba-2"
    return f"{mixer} and feed-forward" if "norm2.weight" in own else mixer


def _block(config: Config, norm: Norm, weights: Weights, stream: Tensor) -> Tensor:
    mixer, read = weights.under("mixer."), norm(weights, "norm", stream)
    given, rates = config.get("ssm_cfg") or {}, mixer.get("A_log")
    if rates is None:
        written = _attention(mixer, read, config.get("attn_cfg") or {})
    elif rates.ndim == 2:
        written = mamba(mixer, read, {})
    elif any(given.get(name, usual) != usual for name, usual in USUAL.items()):
        raise ImpossibleError("Mamba-2 with other norms, skips or a part of its width")
    else:
        low, high = given.get("dt_limit", (0.0, float("inf")))
        written = mamba2(mixer, read, int(given.get("ngroups", 1)), limits=(float(low), float(high)))
    stream = stream + written
    if "norm2.weight" not in weights.tensors:
        return stream
    rows, gate = linear(weights, "mlp.fc1", norm(weights, "norm2", stream)).chunk(2, -1)
    return stream + linear(weights, "mlp.fc2", rows * silu(gate))


def _attention(weights: Weights, x: Tensor, given: Config) -> Tensor:
    """Returns the output of the package's attention, with its short convolution over queries, keys and values."""
    if given.get("mlp_dim") or not given.get("causal", False):
        raise ImpossibleError("attention of mamba_ssm that sees all tokens, or with a feed-forward inside")
    heads = int(given["num_heads"])
    shared = int(given.get("num_heads_kv") or heads)
    mixed = linear(weights, "in_proj", x)
    if given.get("d_conv"):
        mixed = _convolved(weights, mixed)
    query, key, value = torch.split(split_heads(mixed, heads + 2 * shared), [heads, shared, shared], 2)
    share = float(given.get("rotary_emb_dim", 0)) / query.shape[-1]
    neighbours = bool(given.get("rotary_emb_interleaved", False))
    rotation = Rotation(float(given.get("rotary_emb_base", 10_000)), share, {}, neighbours)
    scale = given.get("softmax_scale")
    return linear(weights, "out_proj", attend(rotated(query, rotation), rotated(key, rotation), value, scale))


def _convolved(weights: Weights, x: Tensor) -> Tensor:
    """Returns the sequence after a causal convolution channel by channel, with no activation behind it."""
    taps, bias = weights.take("conv1d.weight").squeeze(1), weights.get("conv1d.bias")
    padded = torch.nn.functional.pad(x, (0, 0, taps.shape[1] - 1, 0))
    mixed = (padded.unfold(1, taps.shape[1], 1) * taps).sum(-1)
    return mixed if bias is None else mixed + bias


def _read_out(norm: Norm, tied: bool, weights: Weights, stream: Tensor) -> Tensor:
    normed = norm(weights, FINAL, stream)
    try:
        return linear(weights, "lm_head", normed)
    except LackingError:
        if not tied:
            raise
        return linear(weights, EMBEDDING, normed)
