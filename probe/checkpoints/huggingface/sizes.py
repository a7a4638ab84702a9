"""Refuses settings that would take far more time and memory than their weights can need, before any is taken."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from probe.checkpoints.huggingface.library import auto_class, quiet, transformers, unreadable
from probe.errors import ProbeError

MOST = {
    **dict.fromkeys(("num_hidden_layers", "n_layer", "n_layers", "num_layers"), 512),
    **dict.fromkeys(("chunk_size", "mamba_chunk_size"), 4096),
}
"""The largest settings, by name: blocks are made one by one, and chunks are filled up with zeros."""
GROUPED = (5, 23)
"""The first version whose Mamba-2 norms each group by itself, as the package mamba_ssm does."""
BUFFERS = 2**27
"""As many numbers may be computed beside the weights, such as tables of angles and masks."""


def check_settings(place: Path, settings: Mapping[Any, Any]) -> None:
    """Raises `ProbeError` if a setting, at any depth, is larger than any model's."""
    for name, value in settings.items():
        if name in MOST and isinstance(value, int | float) and value > MOST[name]:
            raise ProbeError(
                f"{place} gives {name} as {value}, but at most {MOST[name]} can be read. Copy the file anew."
            )
        if isinstance(value, dict):
            check_settings(place, value)


def check_size(folder: Path, files: Sequence[Path], gguf: str | None = None) -> nn.Module:
    """Returns the model that a folder's settings describe, without weights.

    Args:
        files: those of its weights.
        gguf: the name of the one file that holds settings and weights, if it is a GGUF.

    Raises:
        ProbeError: if they describe none, or one of more weights than the files hold.
    """
    place = folder / (gguf or "config.json")
    try:
        with quiet(), torch.device("meta"):
            config = transformers().AutoConfig.from_pretrained(
                folder, trust_remote_code=False, local_files_only=True, gguf_file=gguf
            )
            check_settings(place, config.to_dict())
            check_groups(place, config)
            model: nn.Module = auto_class(config).from_config(config, trust_remote_code=False)
    except ProbeError:
        raise
    except Exception as error:  # settings of the wrong kind fail in many ways
        raise unreadable(place if gguf else folder, error) from error
    needed = sum(parameter.numel() for parameter in model.parameters())
    computed = sum(buffer.numel() for buffer in model.buffers())
    # a weight takes a byte at least, or a bit where it is quantised
    stored = sum(path.stat().st_size for path in files) * (8 if gguf else 1)
    if needed > stored or computed > max(BUFFERS, stored):
        raise ProbeError(
            f"{place} describes a model of {max(needed, computed)} numbers, but its files can hold {stored} at most. "
            "Copy all of them anew."
        )
    return model


def check_groups(place: Path, config: Any) -> None:
    """Raises `ProbeError` where a Mamba-2 has several groups and transformers still norms over all of them at once.

    Mended in 5.23 (huggingface/transformers#35943); before, every stream was off by tens of percent.
    """
    version = transformers().__version__
    if config.model_type == "mamba2" and config.n_groups > 1 and _numbers(version) < GROUPED:
        raise ProbeError(
            f"{place} is a Mamba-2 with {config.n_groups} groups, which transformers {version} computes wrongly. "
            "Install transformers 5.23 or later."
        )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])
