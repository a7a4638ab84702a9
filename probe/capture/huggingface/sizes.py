"""Refuses settings that ask for more time and memory than the weights beside them can be worth, before any is taken."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from probe.capture.huggingface.library import quiet, transformers, unreadable
from probe.errors import ProbeError

MOST = {
    **dict.fromkeys(("num_hidden_layers", "n_layer", "n_layers", "num_layers"), 512),
    **dict.fromkeys(("chunk_size", "mamba_chunk_size"), 4096),
}
"""The largest settings, by name: blocks are made one by one, and chunks are filled up with zeros."""
BUFFERS = 2**27
"""As many numbers may be computed beside the weights, such as tables of angles and masks."""


def check_settings(place: Path, settings: Mapping[Any, Any]) -> None:
    """Raises `ProbeError` where a setting is out of all proportion, at any depth."""
    for name, value in settings.items():
        if name in MOST and isinstance(value, int | float) and value > MOST[name]:
            raise ProbeError(
                f"{place} gives {name} as {value}, but at most {MOST[name]} can be read. Copy the file anew."
            )
        if isinstance(value, dict):
            check_settings(place, value)


def check_size(folder: Path, gguf: str | None = None) -> None:
    """Raises `ProbeError` where the settings describe a model of more weights than the files hold.

    Args:
        gguf: the name of the one file that holds settings and weights, if it is a GGUF.
    """
    library = transformers()
    place = folder / (gguf or "config.json")
    try:
        with quiet(), torch.device("meta"):
            config = library.AutoConfig.from_pretrained(
                folder, trust_remote_code=False, local_files_only=True, gguf_file=gguf
            )
            check_settings(place, config.to_dict())
            model = library.AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    except ProbeError:
        raise
    except Exception as error:  # settings of the wrong kind fail in many ways
        raise unreadable(place if gguf else folder, error) from error
    needed = sum(parameter.numel() for parameter in model.parameters())
    computed = sum(buffer.numel() for buffer in model.buffers())
    files = [place] if gguf else [path for pattern in ("*.safetensors", "*.bin") for path in folder.glob(pattern)]
    # a weight takes a byte at least, or a bit where it is quantised
    stored = sum(path.stat().st_size for path in files) * (8 if gguf else 1)
    if needed > stored or computed > max(BUFFERS, stored):
        raise ProbeError(
            f"{place} describes a model of {max(needed, computed)} numbers, but its files can hold {stored} at most. "
            "Copy all of them anew."
        )
