"""The letters of the layout text: each names a mixer, whose settings may stand in brackets behind it."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args, get_type_hints

from torch import nn

from probe.config import ModelConfig
from probe.errors import ProbeError, suggest
from probe.models.attention import Attention
from probe.models.deltanet import DeltaNet
from probe.models.gated_deltanet import GatedDeltaNet
from probe.models.layout import Letter
from probe.models.linear_attention import LinearAttention
from probe.models.mamba import Mamba
from probe.models.mamba2 import Mamba2
from probe.models.mlp import MLP
from probe.models.planted import Planted
from probe.models.planted_state import Pairing
from probe.models.recurrent import LSTM, RNN
from probe.models.rwkv4_channel import RWKV4ChannelMix
from probe.models.rwkv4_time import RWKV4TimeMix
from probe.models.rwkv7_channel import RWKV7ChannelMix
from probe.models.rwkv7_time import RWKV7TimeMix
from probe.models.s4_mamba import S4Mamba
from probe.models.s4d import S4D
from probe.options import parse

Residual = Literal["pre", "post", "none"]
# what a constructor is given, rather than the user's to set in brackets
GIVEN = ("self", "width", "blocks", "index")


@dataclass(frozen=True)
class Mixer:
    """A kind of block.

    Args:
        name: in words.
        module: built from the width, the model's number of blocks, the block's place where it asks for ``index``,
            and its settings, the constructor's other arguments.
        residual: how the block treats the stream unless ``residual=`` says otherwise (see `Block`).
        norm: the norm of models that hold such a block and are of no named architecture: RMS norms where one asks
            for them.
        ordered: whether the block itself can tell the order of tokens; where none of a model's can, positions are
            learned.
        recipe: the architecture whose sizes and rate suit models that begin with such a block and are of no named
            architecture.
    """

    name: str
    module: type[nn.Module]
    residual: Residual = "pre"
    norm: Literal["rms", "layer"] = "layer"
    ordered: bool = True
    recipe: str = "mamba"

    def settings(self) -> dict[str, Any]:
        """Returns the settings' names and types."""
        hints = get_type_hints(self.module.__init__)
        parameters = inspect.signature(self.module.__init__).parameters
        return {name: hints[name] for name in parameters if name not in GIVEN}


LETTERS: dict[str, Mixer] = {
    "M": Mixer("Mamba", Mamba, norm="rms"),
    "A": Mixer("causal attention", Attention, ordered=False, recipe="transformer"),
    "F": Mixer("feed-forward", MLP, ordered=False, recipe="transformer"),
    "S": Mixer("S4D", S4D, recipe="s4"),
    "T": Mixer("S4-Mamba", S4Mamba, recipe="s4_mamba"),
    "D": Mixer("Mamba-2", Mamba2, norm="rms", recipe="mamba2"),
    "R": Mixer("RWKV-4 time mix", RWKV4TimeMix, recipe="rwkv4"),
    "C": Mixer("RWKV-4 channel mix", RWKV4ChannelMix, recipe="rwkv4"),
    "V": Mixer("RWKV-7 time mix", RWKV7TimeMix, recipe="rwkv7"),
    "W": Mixer("RWKV-7 channel mix", RWKV7ChannelMix, recipe="rwkv7"),
    "L": Mixer("linear attention", LinearAttention, norm="rms", recipe="linear_attention"),
    "E": Mixer("DeltaNet", DeltaNet, norm="rms", recipe="deltanet"),
    "G": Mixer("Gated DeltaNet", GatedDeltaNet, norm="rms", recipe="gated_deltanet"),
    "U": Mixer("LSTM", LSTM, residual="none", recipe="lstm"),
    "N": Mixer("ReLU RNN", RNN, residual="none", recipe="rnn"),
    "P": Mixer("planted least squares", Planted),
    "Q": Mixer("planted pairing", Pairing),
}


def norm_of(letters: Sequence[Letter], layout: str) -> Literal["rms", "layer"]:
    """Returns the norm of a model of these blocks that is of no named architecture."""
    return "rms" if any(_known(letter, layout).norm == "rms" for letter in letters) else "layer"


def positions_of(letters: Sequence[Letter], layout: str) -> Literal["none", "learned"]:
    """Returns the positions of a model of these blocks: learned where none of them can tell the order of tokens."""
    return "none" if any(_known(letter, layout).ordered for letter in letters) else "learned"


def recipe_of(letters: Sequence[Letter], layout: str) -> str:
    """Returns the architecture whose recipe suits a model of these blocks that is of no named one."""
    return _known(letters[0], layout).recipe


def make_mixer(letter: Letter, config: ModelConfig, blocks: int, place: int) -> nn.Module:
    """Returns the mixer that a letter of the layout names.

    Args:
        blocks: the model's number of blocks.
        place: the block's own place among them, from 0.

    Raises:
        ProbeError: if the letter or a setting is unknown, or a value does not fit.
    """
    mixer = _known(letter, config.layout)
    types = mixer.settings()
    settings: dict[str, Any] = {}
    if "heads" in types:
        settings["heads"] = config.attention_heads
    if "dropout" in types and config.dropout:
        settings["dropout"] = config.dropout
    if "init" in types:
        settings["init"] = config.init
    for name, text in letter.settings:
        if name == "residual":
            continue
        if name not in types:
            raise ProbeError(
                f"The layout letter {letter.letter} was given the setting {name!r}, which it does not have. "
                f"{suggest(name, list(types))}Its settings: {', '.join([*types, 'residual'])}."
            )
        settings[name] = parse(f"{letter.letter}[{name}]", text, types[name])
    if "index" in inspect.signature(mixer.module.__init__).parameters:
        settings["index"] = place
    return mixer.module(config.width, blocks, **settings)


def residual_of(letter: Letter, layout: str) -> Residual:
    """Returns how a letter's block treats the stream.

    Raises:
        ProbeError: if the letter is unknown or the setting names no such way.
    """
    mixer = _known(letter, layout)
    text = dict(letter.settings).get("residual", mixer.residual)
    if text not in get_args(Residual):
        raise ProbeError(
            f"The layout setting residual={text} was given, but it needs {', '.join(get_args(Residual))}. "
            f"Write {letter.letter}[residual=post]."
        )
    return cast("Residual", text)


def _known(letter: Letter, layout: str) -> Mixer:
    if letter.letter not in LETTERS:
        names = ", ".join(f"{key} {mixer.name}" for key, mixer in LETTERS.items())
        raise ProbeError(f"No mixer has the letter {letter.letter!r} of the layout {layout!r}. Letters: {names}.")
    return LETTERS[letter.letter]
