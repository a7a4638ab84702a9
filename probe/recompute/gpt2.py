"""GPT-2's block (Radford et al., 2019), and GPT-J's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from probe.recompute.activations import activation
from probe.recompute.attention import attend, attention
from probe.recompute.feed_forward import feed_forward
from probe.recompute.norms import layer_norm
from probe.recompute.rotary import Rotation, rotated
from probe.recompute.weights import Weights, linear, split_heads

Config = Mapping[str, Any]


def gpt2_block(weights: Weights, stream: Tensor, config: Config, place: int) -> Tensor:
    """Returns the stream after a block of GPT-2, whose matrices are stored [in, out]."""
    heads, epsilon = int(config.get("n_head", 12)), float(config.get("layer_norm_epsilon", 1e-5))
    scale = (stream.shape[-1] // heads) ** -0.5 if config.get("scale_attn_weights", True) else 1.0
    scale /= place + 1 if config.get("scale_attn_by_inverse_layer_idx", False) else 1
    attended = attention(weights.under("attn."), layer_norm(weights, "ln_1", stream, epsilon), heads, scale, turn=True)
    stream = stream + attended
    act = activation(str(config.get("activation_function", "gelu_new")))
    return stream + feed_forward(weights.under("mlp."), layer_norm(weights, "ln_2", stream, epsilon), act, turn=True)


def gptj_block(weights: Weights, stream: Tensor, config: Config, place: int) -> Tensor:
    """Returns the stream after a block of GPT-J: rotary attention beside a feed-forward, under one norm."""
    read = layer_norm(weights, "ln_1", stream, float(config.get("layer_norm_epsilon", 1e-5)))
    inner, heads = weights.under("attn."), int(config.get("n_head", 16))
    query, key, value = (split_heads(linear(inner, f"{name}_proj", read), heads) for name in "qkv")
    share = (config.get("rotary_dim", 64) or query.shape[-1]) / query.shape[-1]
    rotation = Rotation(10_000.0, share, {}, neighbours=True)
    attended = linear(inner, "out_proj", attend(rotated(query, rotation), rotated(key, rotation), value))
    act = activation(str(config.get("activation_function", "gelu_new")))
    return stream + attended + feed_forward(weights.under("mlp."), read, act, ("fc_in", "fc_out"))
