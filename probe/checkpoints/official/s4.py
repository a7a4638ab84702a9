"""The S4 of Grazzi et al. (2024), arXiv:2402.03170: the minimal S4D in post-norm blocks."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from probe.checkpoints.official import mixer
from probe.checkpoints.official.settings import Settings
from probe.checkpoints.official.translation import Translation, pair
from probe.config import ModelConfig


def translate(settings: Settings, weights: Mapping[str, Tensor]) -> Translation:
    """Returns the released S4 model; its last block norms what it returns, so there is no final norm."""
    layers = settings.layers
    origins = pair("read_in", "encoder") | pair("read_out", "decoder")
    for layer in range(layers):
        origins |= pair(f"blocks.{layer}.norm", f"norms.{layer}")
        origins |= mixer.s4d(f"blocks.{layer}.mixer", f"s4_layers.{layer}")
    config = ModelConfig(
        layout=f"S[residual=post,dropout=0.1]{layers}",
        dim=settings.whole("n_dims"),
        width=settings.whole("n_embd"),
        norm="layer",
    )
    return Translation(config, "s4_post_norm", origins)
