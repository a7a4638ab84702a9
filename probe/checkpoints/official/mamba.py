"""Mamba, of Grazzi et al. (2024) and of Park et al. (2024)."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from probe.checkpoints.official import mixer
from probe.checkpoints.official.settings import Settings
from probe.checkpoints.official.translation import Origin, Translation, pair
from probe.config import ModelConfig

OUTER = "_backbone.backbone"


def translate(settings: Settings, weights: Mapping[str, Tensor]) -> Translation:
    """Returns the Mamba that a run's keys are of: both code bases give it the family ``mamba``."""
    if not any(key.startswith(f"{OUTER}.") for key in weights):
        return mixer.translate(settings, weights)
    layers = settings.layers
    origins = pair("read_in", f"{OUTER}.embedding") | pair("read_out", "_backbone.lm_head")
    for layer in range(layers):
        origins |= {f"blocks.{layer}.norm.weight": Origin(f"{OUTER}.layers.{layer}.norm.weight")}
        origins |= mixer.mamba(f"blocks.{layer}.mixer", f"{OUTER}.layers.{layer}.mixer")
    origins["norm_f.weight"] = Origin(f"{OUTER}.norm_f.weight")
    config = ModelConfig(layout=f"M{layers}", dim=settings.whole("n_dims"), width=settings.whole("n_embd"), norm="rms")
    return Translation(config, "mamba", origins)
