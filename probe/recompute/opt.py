"""OPT's block (Zhang et al., 2022, arXiv:2205.01068)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from probe.recompute.activations import activation
from probe.recompute.attention import attend
from probe.recompute.feed_forward import feed_forward
from probe.recompute.norms import layer_norm
from probe.recompute.weights import ImpossibleError, Weights, linear, split_heads


def opt_block(weights: Weights, stream: Tensor, config: Mapping[str, Any], place: int) -> Tensor:
    """Returns the stream after a block of OPT, whose second norm is called the final one."""
    if not config.get("do_layer_norm_before", True):
        raise ImpossibleError("OPT that norms after adding")
    mixer, heads = weights.under("self_attn."), int(config["num_attention_heads"])
    read = layer_norm(weights, "self_attn_layer_norm", stream)
    query, key, value = (split_heads(linear(mixer, f"{name}_proj", read), heads) for name in "qkv")
    stream = stream + linear(mixer, "out_proj", attend(query, key, value))
    act = activation(str(config.get("activation_function", "relu")))
    return stream + feed_forward(weights, layer_norm(weights, "final_layer_norm", stream), act, ("fc1", "fc2"))
