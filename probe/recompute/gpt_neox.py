"""GPT-NeoX's block (Black et al., 2022, arXiv:2204.06745), and Phi's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from probe.recompute.activations import activation
from probe.recompute.attention import attend
from probe.recompute.feed_forward import feed_forward
from probe.recompute.norms import layer_norm
from probe.recompute.rotary import rotated, rotation_of
from probe.recompute.weights import ImpossibleError, Weights, linear, split_heads

Config = Mapping[str, Any]


def neox_block(weights: Weights, stream: Tensor, config: Config, place: int) -> Tensor:
    """Returns the stream after a block of GPT-NeoX: heads stand first, and each has its query, key and value."""
    epsilon, heads = float(config.get("layer_norm_eps", 1e-5)), int(config["num_attention_heads"])
    rotation = rotation_of(config, "rotary_emb_base", 10_000.0, "rotary_pct", 0.25)
    inner, names = weights.under("attention."), ("dense_h_to_4h", "dense_4h_to_h")
    mixed = linear(inner, "query_key_value", layer_norm(weights, "input_layernorm", stream, epsilon))
    query, key, value = split_heads(mixed, heads, 3).unbind(3)
    written = linear(inner, "dense", attend(rotated(query, rotation), rotated(key, rotation), value))
    entering = stream if config.get("use_parallel_residual", True) else stream + written
    read = layer_norm(weights, "post_attention_layernorm", entering, epsilon)
    act = activation(str(config.get("hidden_act", "gelu")))
    return stream + written + feed_forward(weights.under("mlp."), read, act, names)


def phi_block(weights: Weights, stream: Tensor, config: Config, place: int) -> Tensor:
    """Returns the stream after a block of Phi: attention beside a feed-forward, under one norm."""
    if config.get("qk_layernorm", False):
        raise ImpossibleError("Phi with norms of queries and keys")
    heads = int(config["num_attention_heads"])
    shared = int(config.get("num_key_value_heads") or heads)
    rotation = rotation_of(config, "rope_theta", 10_000.0, "partial_rotary_factor", 0.5)
    read = layer_norm(weights, "input_layernorm", stream, float(config.get("layer_norm_eps", 1e-5)))
    mixer = weights.under("self_attn.")
    query = rotated(split_heads(linear(mixer, "q_proj", read), heads), rotation)
    key, value = (split_heads(linear(mixer, f"{name}_proj", read), shared) for name in "kv")
    attended = linear(mixer, "dense", attend(query, rotated(key, rotation), value))
    act = activation(str(config.get("hidden_act", "gelu_new")))
    return stream + attended + feed_forward(weights.under("mlp."), read, act, ("fc1", "fc2"))
