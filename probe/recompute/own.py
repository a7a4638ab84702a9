"""Our own checkpoints: every mixer's letter, its settings as the layout text has them, and the residual around it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from probe.checkpoints.saved import read_saved
from probe.checkpoints.shards import is_sharded, read_shards
from probe.checkpoints.weights import AGAIN
from probe.models import LETTERS
from probe.models.layout import Letter, parse_layout
from probe.recompute import fast_weights, rwkv4, rwkv7
from probe.recompute.attention import attention
from probe.recompute.feed_forward import feed_forward
from probe.recompute.joined import joined_attention, joining
from probe.recompute.mamba import mamba
from probe.recompute.mamba2 import mamba2
from probe.recompute.norms import NORMS, Norm
from probe.recompute.part import Compute, Described, Part, beginning, below
from probe.recompute.recurrent import lstm, relu_rnn
from probe.recompute.residual import around, impossible, reading_out
from probe.recompute.state_space import s4_mamba, s4d
from probe.recompute.weights import Weights, linear, looked_up

Settings = Mapping[str, str]


@dataclass(frozen=True)
class Mixer:
    """A mixer's equations.

    Args:
        write: what the mixer writes, from its weights, what it reads, its settings and the number of heads.
        residual: ``pre``, ``post`` or ``none``, where the layout does not say.
    """

    write: Callable[[Weights, Tensor, Settings, int], Tensor]
    residual: str = "pre"


MIXERS: dict[str, Mixer] = {
    "M": Mixer(lambda weights, x, settings, heads: mamba(weights, x, settings)),
    "A": Mixer(lambda weights, x, settings, heads: attention(weights, x, heads)),
    "F": Mixer(lambda weights, x, settings, heads: feed_forward(weights, x)),
    "S": Mixer(lambda weights, x, settings, heads: s4d(weights, x)),
    "T": Mixer(lambda weights, x, settings, heads: s4_mamba(weights, x, settings)),
    "D": Mixer(lambda weights, x, settings, heads: mamba2(weights, x)),
    "R": Mixer(lambda weights, x, settings, heads: rwkv4.time_mix(weights, x)),
    "C": Mixer(lambda weights, x, settings, heads: rwkv4.channel_mix(weights, x)),
    "V": Mixer(lambda weights, x, settings, heads: rwkv7.time_mix(weights, x, heads)),
    "W": Mixer(lambda weights, x, settings, heads: rwkv7.channel_mix(weights, x)),
    "L": Mixer(fast_weights.linear_attention),
    "E": Mixer(fast_weights.deltanet),
    "G": Mixer(fast_weights.gated_deltanet),
    "U": Mixer(lambda weights, x, settings, heads: lstm(weights.under("lstm."), x), "none"),
    "N": Mixer(lambda weights, x, settings, heads: relu_rnn(weights.under("rnn."), x), "none"),
    "J": Mixer(lambda weights, x, settings, heads: joining(x, settings), "none"),
    "H": Mixer(lambda weights, x, settings, heads: joined_attention(weights, x, settings)),
}
"""Every letter whose equations are written here; mixers that were planted by hand have none."""


def describe(path: Path, weights: Mapping[str, Tensor]) -> Described:
    """Returns a checkpoint's parts, as its own description says."""
    content = read_shards(path) if is_sharded(path) else read_saved(path, AGAIN)
    model: dict[str, Any] = json.loads(content["description"])["model"]
    letters = parse_layout(model["layout"])
    norm = NORMS[model.get("norm", "rms")]
    blocks = tuple(
        Part(_kind(letter), below(weights, f"blocks.{place - letter.back}."), _block(letter, norm, model))
        for place, letter in enumerate(letters)
    )
    final = norm if _residual(letters[-1]) == "pre" else NORMS["none"]
    return Described(
        Part("read-in", beginning(weights, "read_in.", "positions."), _read_in(model)),
        blocks,
        Part("read-out", beginning(weights, "norm_f.", "read_out."), reading_out(final, "norm_f", "read_out")),
        lambda own, stream: final(own, "norm_f", stream),
    )


def sinusoids(time: int, width: int) -> Tensor:
    """Returns the positions of Vaswani et al. (2017), section 3.5, sines in even coordinates."""
    channel = torch.arange(width, dtype=torch.float64)
    angle = torch.arange(time, dtype=torch.float64)[:, None] / 10_000 ** ((channel - channel % 2) / width)
    return torch.where(channel % 2 == 0, angle.sin(), torch.cos(angle))


def _kind(letter: Letter) -> str:
    settings = f"[{','.join(map('='.join, letter.settings))}]" if letter.settings else ""
    return f"{LETTERS[letter.letter].title}{settings}"


def _residual(letter: Letter) -> str:
    default = MIXERS[letter.letter].residual if letter.letter in MIXERS else "pre"
    return dict(letter.settings).get("residual", default)


def _block(letter: Letter, norm: Norm, model: Mapping[str, Any]) -> Compute:
    if letter.input != "none":
        return impossible(f"{LETTERS[letter.letter].title} that is given the read-in again")
    if letter.letter not in MIXERS:
        return impossible(LETTERS[letter.letter].title)
    write, settings = MIXERS[letter.letter].write, dict(letter.settings)
    heads = int(settings.get("heads", model.get("attention_heads", 8)))
    return around(norm, _residual(letter), lambda weights, x: write(weights, x, settings, heads))


def _read_in(model: Mapping[str, Any]) -> Compute:
    def compute(weights: Weights, tokens: Tensor) -> Tensor:
        stream = looked_up(weights, "read_in", tokens) if model.get("symbols") else linear(weights, "read_in", tokens)
        if model.get("positions", "none") == "sinusoidal":
            return stream + sinusoids(*stream.shape[1:])
        if model.get("positions", "none") == "learned":
            return stream + weights.take("positions.weight")[: stream.shape[1]]
        return stream

    return compute
