"""Official run folders, by the keys of the code bases that wrote them (see `probe.checkpoints.official`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from torch import Tensor

from probe.checkpoints.official.folder import locate
from probe.checkpoints.official.settings import Settings, read_settings
from probe.recompute.attention import attention
from probe.recompute.feed_forward import feed_forward
from probe.recompute.mamba import mamba
from probe.recompute.norms import layer_norm, no_norm, rms_norm
from probe.recompute.part import Described, Part, beginning, below, count
from probe.recompute.recurrent import relu_rnn
from probe.recompute.residual import Write, around, impossible, reading_out
from probe.recompute.state_space import s4_mamba, s4d
from probe.recompute.weights import Weights, linear, looked_up

HEADS = 8
"""Attention heads of Park et al.'s stacks, whatever their configuration says."""
STACK = "_backbone.layers"

# what a layer of a stack stores -> the mixer in words, and its equations
STACKED: dict[str, tuple[str, Write]] = {
    "mixer.c_attn.weight": ("causal attention", lambda weights, x: attention(weights, x, HEADS)),
    "mixer.x_proj.weight": ("Mamba", lambda weights, x: mamba(weights, x, {})),
    "mixer.s4.D": ("S4D", lambda weights, x: _released_s4d(weights.under("s4."), x)),
    "mixer.S4DMamba.D": (
        "S4-Mamba",
        lambda weights, x: s4_mamba(weights, x, {"gate": "linear"}, "S4DMamba.kernel.", "S4DMamba.D"),
    ),
}


def _released_s4d(weights: Weights, x: Tensor) -> Tensor:
    """Returns the output of S4D, its skip beside the state space and its last map a convolution over one token."""
    return s4d(weights, x, "D", "output_linear.0")


def describe(path: Path, weights: Mapping[str, Tensor]) -> Described:
    """Returns a run's parts, as its config.yaml and its keys say."""
    settings = read_settings(locate(path).config)
    return FAMILIES[settings.family](settings, weights)


def _gpt2(settings: Settings, weights: Mapping[str, Tensor]) -> Described:
    """Returns GPT-2, whose matrices are [in, out]; attention and feed-forward are blocks of their own here."""
    heads, blocks, layers = settings.whole("n_head"), [], "_backbone.h"
    attend = around(layer_norm, "pre", lambda own, x: attention(own, x, heads, turn=True), ("ln_1", "attn."))
    feed = around(layer_norm, "pre", lambda own, x: feed_forward(own, x, turn=True), ("ln_2", "mlp."))
    for layer in range(count(weights, layers)):
        own = below(weights, f"{layers}.{layer}.")
        blocks.append(Part("causal attention", beginning(own, "ln_1.", "attn."), attend, r"attn\.(bias|masked_bias)"))
        blocks.append(Part("feed-forward", beginning(own, "ln_2.", "mlp."), feed))
    return _in_shell(weights, blocks, "_backbone.ln_f", "_backbone.wpe.weight")


def _stack(settings: Settings, weights: Mapping[str, Tensor]) -> Described:
    """Returns one of Park et al.'s stacks, each layer known by what it stores."""
    blocks = []
    for layer in range(count(weights, STACK)):
        own = below(weights, f"{STACK}.{layer}.")
        kind, write = next((found for key, found in STACKED.items() if key in own), ("a layer", None))
        compute = impossible("a layer of no known mixer") if write is None else around(layer_norm, "pre", write)
        blocks.append(Part(kind, own, compute))
    return _in_shell(weights, blocks, "_backbone.norm_f", "wpe.weight")


def _mamba(settings: Settings, weights: Mapping[str, Tensor]) -> Described:
    """Returns Grazzi et al.'s Mamba, of the official package; Park et al.'s has the same family's name."""
    outer = "_backbone.backbone."
    if not beginning(weights, outer):
        return _stack(settings, weights)
    block = around(rms_norm, "pre", lambda own, x: mamba(own, x, {}))
    return Described(
        Part("read-in", beginning(weights, outer + "embedding."), lambda own, x: linear(own, outer + "embedding", x)),
        tuple(
            Part("Mamba", below(weights, f"{outer}layers.{i}."), block) for i in range(count(weights, outer + "layers"))
        ),
        Part(
            "read-out",
            beginning(weights, outer + "norm_f.", "_backbone.lm_head."),
            reading_out(rms_norm, outer + "norm_f", "_backbone.lm_head"),
        ),
        lambda own, stream: rms_norm(own, outer + "norm_f", stream),
    )


def _s4(settings: Settings, weights: Mapping[str, Tensor]) -> Described:
    """Returns Grazzi et al.'s S4, which norms after adding and has no final norm."""
    blocks = []
    for layer in range(count(weights, "s4_layers")):
        names = f"norms.{layer}", f"s4_layers.{layer}."
        own = beginning(weights, f"{names[0]}.", names[1])
        blocks.append(Part("S4D", own, around(layer_norm, "post", _released_s4d, names)))
    return Described(
        Part("read-in", beginning(weights, "encoder."), lambda own, x: linear(own, "encoder", x)),
        tuple(blocks),
        Part("read-out", beginning(weights, "decoder."), reading_out(no_norm, "", "decoder")),
        lambda own, stream: stream,
    )


def _rnn(settings: Settings, weights: Mapping[str, Tensor]) -> Described:
    """Returns Park et al.'s ReLU RNN, which norms what every layer makes and drops the stream."""
    blocks = []
    for layer in range(count(weights, "rnn_layers")):
        names = f"ln_layers.{layer}", f"rnn_layers.{layer}."
        own = beginning(weights, f"{names[0]}.", names[1])
        blocks.append(Part("ReLU RNN", own, around(layer_norm, "none", relu_rnn, names)))
    return _in_shell(weights, blocks, "", "")


def _in_shell(weights: Mapping[str, Tensor], blocks: list[Part], norm: str, positions: str) -> Described:
    """Returns blocks between the read-in and the read-out that the code bases share.

    Args:
        norm: the final norm's name, empty where there is none.
        positions: the name of a table of positions, which a model of this kind may have.
    """

    def read_in(own: Weights, tokens: Tensor) -> Tensor:
        mapped = linear if tokens.is_floating_point() else looked_up
        stream = mapped(own, "_read_in", tokens)
        table = own.get(positions) if positions else None
        return stream if table is None else stream + table[: stream.shape[1]]

    tables = (positions,) if positions else ()
    normed = layer_norm if norm else no_norm
    return Described(
        Part("read-in", beginning(weights, "_read_in.", *tables), read_in),
        tuple(blocks),
        Part(
            "read-out",
            beginning(weights, "_read_out.", *([f"{norm}."] if norm else [])),
            reading_out(normed, norm, "_read_out"),
        ),
        lambda own, stream: normed(own, norm, stream),
    )


FAMILIES: dict[str, Callable[[Settings, Mapping[str, Tensor]], Described]] = {
    "gpt2": _gpt2,
    "mamba": _mamba,
    "tf-mamba": _stack,
    "s4-mamba": _stack,
    "s4d": _stack,
    "s4": _s4,
    "rnn": _rnn,
}
