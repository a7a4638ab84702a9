"""The ReLU RNN of krafton-ai/mambaformer-icl: no residual, a LayerNorm behind every layer."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from probe.checkpoints.official.settings import Settings
from probe.checkpoints.official.translation import Origin, Translation, pair, shell

NAMES = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")


def translate(settings: Settings, weights: Mapping[str, Tensor]) -> Translation:
    """Returns the released RNN."""
    layers = settings.layers
    config, origins = shell(settings, f"N{layers}")
    for layer in range(layers):
        origins |= {f"blocks.{layer}.mixer.rnn.{name}": Origin(f"rnn_layers.{layer}.{name}") for name in NAMES}
        origins |= pair(f"blocks.{layer}.norm", f"ln_layers.{layer}")
    return Translation(config, "rnn", origins)
