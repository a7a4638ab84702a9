"""The letters of the layout text: each names a mixer, whose settings may stand in brackets behind it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast, get_args

from probe.config import ModelConfig
from probe.errors import ProbeError, suggest
from probe.models.layout import Letter
from probe.models.mixer import Mixer, Residual
from probe.options import parse
from probe.registries import Registry

LETTERS: Registry[type[Mixer]] = Registry(
    "probe.models",
    {
        "M": "mamba:Mamba",
        "A": "attention:Attention",
        "F": "mlp:MLP",
        "S": "s4d:S4D",
        "T": "s4_mamba:S4Mamba",
        "D": "mamba2:Mamba2",
        "R": "rwkv4:RWKV4TimeMix",
        "C": "rwkv4:RWKV4ChannelMix",
        "V": "rwkv7:RWKV7TimeMix",
        "W": "rwkv7:RWKV7ChannelMix",
        "L": "linear_attention:LinearAttention",
        "E": "deltanet:DeltaNet",
        "G": "gated_deltanet:GatedDeltaNet",
        "U": "recurrent:LSTM",
        "N": "recurrent:RNN",
        "P": "planted:Planted",
        "Q": "planted_state:Pairing",
        "J": "joined:Joining",
        "H": "joined_attention:JoinedAttention",
    },
)
"""Every mixer by its letter; each says by its own attributes what belongs to it."""


def norm_of(letters: Sequence[Letter], layout: str) -> Literal["rms", "layer", "none"]:
    """Returns the norm of a model of these blocks that is of no named architecture."""
    asked = {_known(letter, layout).model_norm for letter in letters}
    return "none" if "none" in asked else "rms" if "rms" in asked else "layer"


def positions_of(letters: Sequence[Letter], layout: str) -> Literal["none", "learned"]:
    """Returns the positions of a model of these blocks: learned where none of them can tell the order of tokens."""
    return "none" if any(_known(letter, layout).ordered for letter in letters) else "learned"


def recipe_of(letters: Sequence[Letter], layout: str) -> str:
    """Returns the architecture whose recipe suits a model of these blocks: that of the first that has one, or none."""
    recipes = [_known(letter, layout).recipe for letter in letters]
    return next(filter(None, recipes), "")


def make_mixer(
    letter: Letter, config: ModelConfig, blocks: int, place: int, mixers: Mapping[str, type[Mixer]] = LETTERS
) -> Mixer:
    """Returns the mixer that a letter of the layout names.

    Args:
        blocks: the model's number of blocks.
        place: the block's own place among them, from 0.
        mixers: what letters may stand for.

    Raises:
        ProbeError: if the letter or a setting is unknown, or a value does not fit.
    """
    mixer = _known(letter, config.layout, mixers)
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
    if "index" in inspect.signature(mixer.__init__).parameters:
        settings["index"] = place
    return mixer(config.width, blocks, **settings)


def residual_of(letter: Letter, layout: str, mixers: Mapping[str, type[Mixer]] = LETTERS) -> Residual:
    """Returns how a letter's block treats the stream.

    Raises:
        ProbeError: if the letter is unknown or the setting names no such way.
    """
    mixer = _known(letter, layout, mixers)
    text = dict(letter.settings).get("residual", mixer.residual)
    if text not in get_args(Residual):
        raise ProbeError(
            f"The layout setting residual={text} was given, but it needs {', '.join(get_args(Residual))}. "
            f"Write {letter.letter}[residual=post]."
        )
    return cast("Residual", text)


def _known(letter: Letter, layout: str, mixers: Mapping[str, type[Mixer]] = LETTERS) -> type[Mixer]:
    if letter.letter not in mixers:
        names = ", ".join(f"{key} {mixer.title}" for key, mixer in mixers.items())
        raise ProbeError(f"No mixer has the letter {letter.letter!r} of the layout {layout!r}. Letters: {names}.")
    return mixers[letter.letter]
