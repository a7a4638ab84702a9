"""Rotary positions (Su et al., 2021, arXiv:2104.09864, eq. 34)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from probe.recompute.weights import ImpossibleError, split_heads


@dataclass(frozen=True)
class Rotation:
    """How far a token is turned.

    Args:
        theta: the base of the wavelengths.
        share: of a head's coordinates that are turned, the first ones.
        scaling: how wavelengths are stretched: its settings, ``rope_type`` among them.
        neighbours: whether a coordinate is turned with the next one, as in the paper, rather than with the one half
            the way off, as in GPT-NeoX and LLaMA.
    """

    theta: float
    share: float
    scaling: Mapping[str, Any]
    neighbours: bool = False


def rotation_of(config: Mapping[str, Any], theta: str, base: float, share: str = "", part: float = 1.0) -> Rotation:
    """Returns the rotation that a config.json describes, in the words of transformers 5 or of earlier ones.

    Args:
        theta: what earlier ones call the base, and `base` what it is where nothing is said.
        share: what they call the share, and `part` likewise; empty where whole heads are turned, whatever is said.
    """
    new, old = config.get("rope_parameters") or {}, config.get("rope_scaling") or {}
    chosen = new.get("rope_theta", old.get("rope_theta", config.get(theta, config.get("rope_theta", base))))
    turned = new.get("partial_rotary_factor", config.get(share, config.get("partial_rotary_factor", part)))
    return Rotation(float(chosen), float(turned) if share else 1.0, {**old, **new})


def rotated(x: Float[Tensor, "batch time head size"], rotation: Rotation) -> Float[Tensor, "batch time head size"]:
    """Returns queries or keys, each turned by its place."""
    width = round(x.shape[-1] * rotation.share)
    place = torch.arange(x.shape[1], dtype=x.dtype, device=x.device)
    angle = place[:, None, None] * _frequencies(rotation, width).to(x)
    turned, rest = torch.split(x, [width, x.shape[-1] - width], -1)
    pairs = split_heads(turned, width // 2) if rotation.neighbours else split_heads(turned, 2).mT
    one, other = pairs.unbind(-1)
    pairs = torch.stack([one * angle.cos() - other * angle.sin(), one * angle.sin() + other * angle.cos()], -1)
    return torch.cat([(pairs if rotation.neighbours else pairs.mT).flatten(-2), rest], -1)


def _frequencies(rotation: Rotation, width: int) -> Tensor:
    plain = rotation.theta ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
    kind = str(rotation.scaling.get("rope_type", rotation.scaling.get("type", "default")))
    if kind == "default":
        return plain
    if kind == "linear":
        return plain / float(rotation.scaling["factor"])
    if kind == "llama3":
        return _by_wavelength(plain, rotation.scaling)
    raise ImpossibleError(f"rotary positions of type {kind}")


def _by_wavelength(plain: Tensor, scaling: Mapping[str, Any]) -> Tensor:
    """Returns LLaMA 3.1's frequencies: long waves stretched, short ones not, those between in part."""
    turns = float(scaling["original_max_position_embeddings"]) * plain / (2 * math.pi)
    low, high = float(scaling["low_freq_factor"]), float(scaling["high_freq_factor"])
    kept = ((turns - low) / (high - low)).clamp(0, 1)
    return kept * plain + (1 - kept) * plain / float(scaling["factor"])
