"""LLaMA's block (Touvron et al., 2023, arXiv:2302.13971), Mistral's and Qwen's, Gemma's and Granite's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from probe.recompute.activations import activation
from probe.recompute.attention import attend
from probe.recompute.feed_forward import gated_feed_forward
from probe.recompute.norms import Norm, normed, rms_norm
from probe.recompute.rotary import rotated, rotation_of
from probe.recompute.weights import Weights, linear, split_heads

Config = Mapping[str, Any]


def llama_block(weights: Weights, stream: Tensor, config: Config, place: int) -> Tensor:
    """Returns the stream after a block of LLaMA, with the biases and the norms of queries and keys that are stored."""
    return _block(weights, stream, config, place, rms_norm)


def gemma_block(weights: Weights, stream: Tensor, config: Config, place: int) -> Tensor:
    """Returns the stream after a block of Gemma, whose norms multiply by one more than is stored."""
    return _block(weights, stream, config, place, one_more)


def one_more(weights: Weights, name: str, x: Tensor, epsilon: float) -> Tensor:
    """Returns x over its root mean square, times one more than the stored weight."""
    return normed(x, epsilon) * (1 + weights.take(f"{name}.weight"))


def _block(weights: Weights, stream: Tensor, config: Config, place: int, norm: Norm) -> Tensor:
    epsilon = float(config.get("rms_norm_eps", 1e-6))
    # Granite adds less than is written
    share = float(config.get("residual_multiplier", 1.0)) if config["model_type"] == "granite" else 1.0
    read = norm(weights, "input_layernorm", stream, epsilon)
    stream = stream + share * _attention(weights.under("self_attn."), read, config, place, epsilon)
    read = norm(weights, "post_attention_layernorm", stream, epsilon)
    act = config.get("hidden_activation") or config.get("hidden_act", "silu")
    return stream + share * gated_feed_forward(weights.under("mlp."), read, activation(str(act)))


def _attention(weights: Weights, x: Tensor, config: Config, place: int, epsilon: float) -> Tensor:
    heads = int(config["num_attention_heads"])
    shared = int(config.get("num_key_value_heads") or heads)
    rotation = rotation_of(config, "rope_theta", 10_000.0)
    query = split_heads(linear(weights, "q_proj", x), heads)
    key, value = (split_heads(linear(weights, f"{name}_proj", x), shared) for name in "kv")
    # Qwen 3 norms each head's queries and keys
    query, key = (
        rms_norm(weights, f"{name}_norm", row, epsilon) if f"self_attn.{name}_norm.weight" in weights.tensors else row
        for name, row in (("q", query), ("k", key))
    )
    scale = float(config.get("attention_multiplier", 1.0)) if config["model_type"] == "granite" else None
    read = attend(rotated(query, rotation), rotated(key, rotation), value, scale, _window(config, place))
    return linear(weights, "o_proj", read)


def _window(config: Config, place: int) -> int | None:
    """Returns how many tokens a block sees, or None for all: Mistral's every block, Qwen's only where it is said."""
    width, kinds = config.get("sliding_window"), config.get("layer_types")
    if config["model_type"] == "mistral":
        return width
    if config["model_type"] not in ("qwen2", "qwen3") or not config.get("use_sliding_window", False):
        return None
    slides = kinds[place] == "sliding_attention" if kinds else place >= int(config.get("max_window_layers", 28))
    return width if slides else None
