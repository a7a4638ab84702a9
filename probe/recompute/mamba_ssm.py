"""Folders of the package mamba_ssm: Mamba and Mamba-2 by the settings of its config.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from probe.recompute.mamba import mamba
from probe.recompute.mamba2 import mamba2
from probe.recompute.norms import layer_norm, rms_norm
from probe.recompute.part import Described, Part, beginning, below, count
from probe.recompute.residual import Write, around, impossible
from probe.recompute.weights import LackingError, Weights, linear, looked_up

EMBEDDING = "backbone.embedding"
FINAL = "backbone.norm_f"


def describe(config: Mapping[str, Any], weights: Mapping[str, Tensor]) -> Described:
    """Returns a folder's parts; a block of attention, or with a feed-forward behind, is one that cannot be had."""
    given = config.get("ssm_cfg") or {}
    norm = rms_norm if config.get("rms_norm", True) else layer_norm
    mixers: dict[str, tuple[str, Write]] = {
        "Mamba1": ("Mamba", lambda own, x: mamba(own, x, {})),
        "Mamba2": (
            "Mamba-2",
            lambda own, x: mamba2(
                own, x, int(given.get("ngroups", 1)), limits=tuple(given.get("dt_limit", (0.0, float("inf"))))
            ),
        ),
    }
    kind, write = mixers[str(given.get("layer", "Mamba1"))]
    blocks = []
    for place in range(count(weights, "backbone.layers")):
        own = below(weights, f"backbone.layers.{place}.")
        plain = "mixer.A_log" in own and "norm2.weight" not in own
        compute = around(norm, "pre", write) if plain else impossible("attention or feed-forward of mamba_ssm")
        blocks.append(Part(kind if plain else "attention or feed-forward of mamba_ssm", own, compute))

    def read_out(own: Weights, stream: Tensor) -> Tensor:
        normed = norm(own, FINAL, stream)
        try:
            return linear(own, "lm_head", normed)
        except LackingError:
            if not config.get("tie_embeddings", True):
                raise
            return linear(own, EMBEDDING, normed)

    return Described(
        Part("read-in", beginning(weights, f"{EMBEDDING}."), lambda own, x: looked_up(own, EMBEDDING, x)),
        tuple(blocks),
        Part("read-out", beginning(weights, f"{FINAL}.", f"{EMBEDDING}.", "lm_head."), read_out),
    )
