"""GPT-2, of all three code bases."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor

from probe.checkpoints.official.settings import Settings
from probe.checkpoints.official.translation import Origin, Translation, pair, shell

# a table of word vectors that vectors never pass, and the causal masks that older versions of transformers saved
UNUSED = (r"_backbone\.wte\.weight", r"_backbone\.h\.\d+\.attn\.(bias|masked_bias)")
POSITIONS = "_backbone.wpe.weight"


def translate(settings: Settings, weights: Mapping[str, Tensor]) -> Translation:
    """Returns GPT-2 as attention and feed-forward blocks; a table of positions that is all zeros is no table.

    Grazzi et al. (2024) freeze it at zero; without it the model is the same, and takes prompts of any length.
    """
    layers = settings.layers
    config, origins = shell(settings, f"(AF){layers}")
    config = replace(config, attention_heads=settings.whole("n_head"))
    for layer in range(layers):
        here = f"_backbone.h.{layer}"
        attention, feed_forward = f"blocks.{2 * layer}", f"blocks.{2 * layer + 1}"
        origins |= pair(f"{attention}.norm", f"{here}.ln_1") | pair(f"{feed_forward}.norm", f"{here}.ln_2")
        for name in ("c_attn", "c_proj"):
            origins |= pair(f"{attention}.mixer.{name}", f"{here}.attn.{name}", "transposed")
        for name in ("c_fc", "c_proj"):
            origins |= pair(f"{feed_forward}.mixer.{name}", f"{here}.mlp.{name}", "transposed")
    origins |= pair("norm_f", "_backbone.ln_f")
    if POSITIONS in weights and not weights[POSITIONS].any():
        return Translation(config, "transformer", origins, (*UNUSED, re.escape(POSITIONS)))
    origins["positions.weight"] = Origin(POSITIONS)
    # a pair takes two tokens
    config = replace(config, positions="learned", slots=2 * settings.whole("n_positions"))
    return Translation(config, "transformer", origins, UNUSED)
